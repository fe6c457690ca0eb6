package identifier_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

// published returns the folder of what Australian guides publish, which is beside this repository or not there.
func published(t *testing.T) string {
	t.Helper()
	folder := filepath.Join("..", "..", "..", "shared", "fhir")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published examples are not beside this repository")
	}
	return folder
}

// TestPublishedNumbers counts the distinct numbers of the published examples, and those that break a rule. What the
// guides' invariants reject there is Ahpra's alone; the rest is outside them.
func TestPublishedNumbers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(published(t), "examples", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]map[string]bool{} // system → values
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc any
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		collect(numbers, doc)
	}
	type count struct{ Numbers, Guide, Outside int }
	got := map[string]count{}
	for uri, values := range numbers {
		system, ok := identifier.Lookup(uri)
		if !ok {
			continue
		}
		c := count{Numbers: len(values)}
		for value := range values {
			for _, p := range system.Check(value) {
				if p.Outside {
					c.Outside++
				} else {
					c.Guide++
				}
			}
		}
		got[uri] = c
	}
	want := map[string]count{
		ns + "hi/ihi/1.0":                           {Numbers: 65},
		ns + "hi/hpii/1.0":                          {Numbers: 242},
		ns + "hi/hpio/1.0":                          {Numbers: 128},
		ns + "pcehr/paio/1.0":                       {Numbers: 1},
		ns + "pcehr/paid/1.0":                       {Numbers: 1},
		ns + "medicare-number":                      {Numbers: 60, Outside: 2},
		ns + "medicare-provider-number":             {Numbers: 227, Outside: 1},
		ns + "medicare-prescriber-number":           {Numbers: 50},
		ns + "dva":                                  {Numbers: 8},
		ns + "centrelink-customer-reference-number": {Numbers: 1},
		ns + "residential-aged-care-service-id":     {Numbers: 2},
		hl7au + "ahpra-registration-number":         {Numbers: 236, Guide: 86},
		hl7au + "abn":                               {Numbers: 113, Outside: 111}, // its README: invalid on purpose
		hl7au + "dpid":                              {Numbers: 1},
		hl7au + "gnafidentifier":                    {Numbers: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("numbers and broken rules (-want +got):\n%s", diff)
	}
}

// collect adds what looks like an Identifier with a value.
func collect(numbers map[string]map[string]bool, v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			collect(numbers, item)
		}
	case map[string]any:
		system, _ := v["system"].(string)
		if value, ok := v["value"].(string); ok && system != "" {
			if numbers[system] == nil {
				numbers[system] = map[string]bool{}
			}
			numbers[system][value] = true
		}
		for _, item := range v {
			collect(numbers, item)
		}
	}
}

// TestEveryInvariantOfAUBase reads the guide's identifier profiles: each system it fixes is here, and numbers that
// are wrong in every way break each of its invariants, and none that it does not have.
func TestEveryInvariantOfAUBase(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(published(t), "packages", "au-base-*", "StructureDefinition-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := map[string]bool{}, map[string]bool{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var profile struct {
			Type     string
			Snapshot struct {
				Element []struct {
					Path, FixedURI string
					Constraint     []struct{ Key string }
				}
			}
		}
		if err := json.Unmarshal(data, &profile); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if profile.Type != "Identifier" {
			continue
		}
		for _, e := range profile.Snapshot.Element {
			for _, c := range e.Constraint {
				if strings.HasPrefix(c.Key, "inv-") {
					want[c.Key] = true
				}
			}
			if e.Path != "Identifier.system" || e.FixedURI == "" {
				continue
			}
			system, ok := identifier.Lookup(e.FixedURI)
			if !ok {
				t.Errorf("no system %s", e.FixedURI)
				continue
			}
			for _, prefix := range []string{"", "800360", "800361", "800362", "800363", "800364", "900360"} {
				for _, rest := range []string{"", "0123456780", "0123456781", strings.Repeat("0", 33)} {
					for _, p := range system.Check(prefix + rest) {
						if !p.Outside {
							got[p.Key] = true
						}
					}
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("invariants (-want +got):\n%s", diff)
	}
	if len(want) != 28 {
		t.Errorf("got %d invariants of AU Base 6.0.0, want 28", len(want))
	}
}
