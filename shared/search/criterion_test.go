package search_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

const (
	patientID = "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5b"
	otherID   = "0199a2b3-c4d5-7e6f-8a9b-0c1d2e3f4a5c"
	base      = "https://referral.example/fhir/"
)

func TestCriterionFindsWhatIndexWrites(t *testing.T) {
	const (
		patient = `{"resourceType":"Patient","identifier":[{"system":"http://example.org/mrn","value":"A1"},{"value":"a,b|c$d\\e"}]}`
		request = `{"resourceType":"ServiceRequest","identifier":[{"system":"http://example.org/order","value":"7"}],"subject":{"reference":"Patient/` + patientID + `"}}`
		foreign = `{"resourceType":"Task","for":{"reference":"https://example.org/fhir/Patient/9"}}`
		literal = `{"resourceType":"ServiceRequest","subject":{"reference":"` + base + `Patient/` + patientID + `"}}`
		group   = `{"resourceType":"ServiceRequest","subject":{"reference":"Group/` + patientID + `"}}`
	)
	for _, test := range []struct {
		name, resource, param, value string
		want                         bool
	}{
		{"system and code", patient, "identifier", "http://example.org/mrn|A1", true},
		{"code in any system", patient, "identifier", "A1", true},
		{"second of the identifiers, escaped", patient, "identifier", `a\,b\|c\$d\\e`, true},
		{"code without a system", patient, "identifier", `|a\,b\|c\$d\\e`, true},
		{"one of two", patient, "identifier", "B2,A1", true},
		{"code that has a system, asked for without", patient, "identifier", "|A1", false},
		{"another system", patient, "identifier", "http://example.org/other|A1", false},
		{"another case", patient, "identifier", "a1", false},
		{"another code", patient, "identifier", "http://example.org/mrn|A2", false},
		{"comma that separates", patient, "identifier", `a,b`, false},
		{"reference by id", request, "patient", patientID, true},
		{"reference by type and id", request, "patient", "Patient/" + patientID, true},
		{"second reference of two", request, "patient", otherID + ",Patient/" + patientID, true},
		{"another id of the same time", request, "patient", otherID, false},
		{"another type", request, "patient", "Group/" + patientID, false},
		{"patient that is a group", group, "patient", patientID, false},
		{"reference elsewhere", foreign, "patient", "https://example.org/fhir/Patient/9", true},
		{"reference elsewhere by its id", foreign, "patient", "9", false},
		{"reference by its URL here", request, "patient", base + "Patient/" + patientID, true},
		{"one of two by its URL here", request, "patient", otherID + "," + base + "Patient/" + patientID, true},
		{"URL here that was stored as it is", literal, "patient", base + "Patient/" + patientID, true},
		{"URL here of another id", request, "patient", base + "Patient/" + otherID, false},
		{"URL here of another type", request, "patient", base + "Group/" + patientID, false},
		{"id alone at the base", request, "patient", base + patientID, false},
		{"the same path elsewhere", request, "patient", "https://example.org/fhir/Patient/" + patientID, false},
		{"a host that begins like this one", request, "patient", "https://referral.example.evil.org/fhir/Patient/" + patientID, false},
		{"parameter without an element", `{"resourceType":"Task","status":"requested"}`, "patient", patientID, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			resource := parse(t, test.resource)
			c := criterion(t, resource.ResourceType(), test.param, test.value)
			if got := found(c, index(resource)); got != test.want {
				t.Errorf("by the index: got %v, want %v", got, test.want)
			}
			if got := c.Match(resource); got != test.want {
				t.Errorf("Match: got %v, want %v", got, test.want)
			}
		})
	}
}

// Ids of one moment share 40 bits of their key, so that two among a few thousand collide.
func TestMatchRefusesACollision(t *testing.T) {
	seen := map[int64]string{}
	for i := 0; ; i++ {
		id := fmt.Sprintf("0199a2b3-c4d5-7e6f-8a9b-%012x", i)
		h := search.ReferenceHash("ServiceRequest", "patient", "Patient/"+id)
		first, ok := seen[h]
		if !ok {
			seen[h] = id
			continue
		}
		resource := parse(t, `{"resourceType":"ServiceRequest","subject":{"reference":"Patient/`+id+`"}}`)
		c := criterion(t, "ServiceRequest", "patient", first)
		if !found(c, index(resource)) {
			t.Fatal("the keys differ: not a collision")
		}
		if c.Match(resource) {
			t.Error("Match: got true for another patient whose key is the same")
		}
		if !criterion(t, "ServiceRequest", "patient", id).Match(resource) {
			t.Error("Match: got false for the patient itself")
		}
		return
	}
}

func TestParseCriterionRefuses(t *testing.T) {
	for _, test := range []struct {
		name, param, value string
		want               fhir.Code
	}{
		{"empty token", "identifier", "", fhir.CodeValue},
		{"empty alternative", "identifier", "a,,b", fhir.CodeValue},
		{"bar alone", "identifier", "|", fhir.CodeValue},
		{"two bars", "identifier", "a|b|c", fhir.CodeValue},
		{"unknown escape", "identifier", `a\b`, fhir.CodeValue},
		{"backslash at the end", "identifier", `a\`, fhir.CodeValue},
		{"too many", "identifier", strings.Repeat("a,", 100) + "a", fhir.CodeTooCostly},
		{"empty reference", "patient", "", fhir.CodeValue},
		{"unknown escape in a reference", "patient", `\x`, fhir.CodeValue},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, _ := search.Lookup("ServiceRequest", test.param)
			_, err := search.ParseCriterion("ServiceRequest", p, "", test.value, base)
			if err == nil || fhir.CodeOf(err) != test.want {
				t.Errorf("got %v, want code %s", err, test.want)
			}
		})
	}
}

// TestEveryTypeWithASchemaIsServed holds that what may be sent can be found again.
func TestEveryTypeWithASchemaIsServed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "schemas", "r4", "[A-Z]*.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		want = append(want, strings.TrimSuffix(filepath.Base(file), ".schema.json"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, search.Types()); diff != "" {
		t.Errorf("served types (-schemas +table):\n%s", diff)
	}
}

func parse(t testing.TB, document string) *fhir.Value {
	t.Helper()
	v, err := fhir.Parse([]byte(document), "", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func criterion(t testing.TB, resourceType, name, value string) search.Criterion {
	t.Helper()
	param, modifier, _ := strings.Cut(name, ":")
	p, ok := search.Lookup(resourceType, param)
	if !ok {
		t.Fatalf("%s has no parameter %s", resourceType, param)
	}
	c, err := search.ParseCriterion(resourceType, p, modifier, value, base)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func index(resource *fhir.Value) []int64 {
	return search.Index(resource, func(reference string) string { return reference })
}

func found(c search.Criterion, keys []int64) bool {
	for _, k := range keys {
		for _, r := range c.Keys {
			if r.Low <= k && k <= r.High {
				return true
			}
		}
	}
	return false
}
