package compile

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// notHeld are the value sets that tables and schemas name and nobody publishes for all to use, or not as codes: NCTS's
// own but for a few, and lists on web pages. A code for them is neither right nor wrong here.
var notHeld = []string{
	"http://dicom.nema.org/medical/dicom/current/output/chtml/part04/sect_B.5.html#table_B.5-1",
	"http://loinc.org/vs/LL379-9",
	"http://www.rsna.org/RadLex_Playbook.aspx",
	"https://healthterminologies.gov.au/fhir/ValueSet/",
}

// TestEmbeddedTablesAreWhole reads every table of schemas/profiles: each is what the index says, and whatever a table
// or a schema names is held or listed above.
func TestEmbeddedTablesAreWhole(t *testing.T) {
	folder := filepath.Join("..", "profiles")
	index := decode[profile.Index](t, filepath.Join(folder, profile.IndexName))
	sets := decode[map[string]terminology.ValueSet](t, filepath.Join(folder, terminology.FileName))
	manifest := decode[struct{ Resources []string }](t, filepath.Join("..", "r4", "manifest.json"))
	known := map[string]bool{"Resource": true}
	for _, name := range manifest.Resources {
		known[name] = true
	}
	valueSet := func(where, url string) {
		if _, held := sets[url]; !held && !slices.ContainsFunc(notHeld, func(u string) bool { return strings.HasPrefix(url, u) }) {
			t.Errorf("%s: value set %s is not held", where, url)
		}
	}
	for url := range index.Profiles {
		known[url] = true
	}
	for url, name := range index.Profiles {
		p := decode[profile.Profile](t, filepath.Join(folder, name))
		if p.URL != url || p.Name == "" || p.Type == "" || p.Package == "" || p.Version == "" {
			t.Errorf("%s: got %s with name %q, type %q, package %q, version %q", name, p.URL, p.Name, p.Type, p.Package, p.Version)
		}
		walkElements(&p.Root, func(e *profile.Element) {
			for _, named := range slices.Concat(e.Profiles, e.Targets) {
				if !known[named] {
					t.Errorf("%s: %s: %s is not held", name, e.Name, named)
				}
			}
			if e.Binding != nil {
				valueSet(name, e.Binding.ValueSet)
			}
			for _, rule := range e.Invariants {
				for url := range arguments(rule.Expression, "memberOf('") {
					valueSet(name, url)
				}
			}
		})
	}
	held := slices.Collect(maps.Values(index.Profiles))
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".profile.json") && !slices.Contains(held, name) {
			t.Errorf("%s is not in the index", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func decode[T any](tb testing.TB, name string) T {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return v
}

// TestSamePackagesSameBytes compiles two Australian packages twice, as operators have them: without FHIR's own.
func TestSamePackagesSameBytes(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "fhir", "packages")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("the published packages are not part of this repository")
	}
	var made [2]map[string]string
	for i := range made {
		d, err := Read(filepath.Join(folder, "au-core-2.0.0"), filepath.Join(folder, "au-ereq-1.0.1-ci"))
		if err != nil {
			t.Fatal(err)
		}
		files, err := d.Profiles()
		if err != nil {
			t.Fatal(err)
		}
		made[i] = map[string]string{}
		for name, content := range files {
			made[i][name] = string(content)
		}
	}
	if diff := cmp.Diff(made[0], made[1]); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	if len(made[0]) < 40 {
		t.Errorf("got %d files, want the profiles of two packages", len(made[0]))
	}
}
