package profile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// FuzzCheck holds whatever the gate lets through against the profiles that it claims: it ends, says the same each
// time, and every issue says where, why and by whose rule.
func FuzzCheck(f *testing.F) {
	names, err := filepath.Glob("../../testdata/referrals/*.json")
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		root, err := fhir.Parse(data, "Bundle", fhir.Limits{})
		if err != nil {
			f.Fatal(err)
		}
		// Resource by resource: of a whole referral hardly a mutation passes the gate.
		for _, entry := range fhir.AsBundle(root).Entries {
			resource, err := json.Marshal(entry.Resource.Any())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(resource)
		}
	}
	checker, library := published(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := fhir.Parse(data, "Resource", fhir.Limits{Nodes: 20_000})
		if err != nil {
			return
		}
		issues := checkAll(checker, library, root)
		for _, i := range issues {
			if i.Severity == "" || i.Code == "" || i.Details == "" || i.Expression == "" || (i.Rule == "" || !strings.Contains(i.Source, ":")) && i.Code != fhir.CodeTooCostly {
				t.Errorf("an issue lacks something: %+v", i)
			}
		}
		if diff := cmp.Diff(issues, checkAll(checker, library, root)); diff != "" {
			t.Errorf("the second time differs (-first +second)\n%s", diff)
		}
	})
}
