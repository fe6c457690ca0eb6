package compile

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadReferenced takes of a package that is only referred to what the others name, by profile or by a rule.
func TestReadReferenced(t *testing.T) {
	library := t.TempDir()
	definition := func(id, typ string) string {
		return `{"resourceType":"StructureDefinition","url":"http://clinic.example/fhir/StructureDefinition/` + id + `","name":"X","kind":"resource",
			"type":"` + typ + `","baseDefinition":"` + baseURL + typ + `","derivation":"constraint",
			"snapshot":{"element":[{"id":"` + typ + `","path":"` + typ + `","min":0,"max":"*"}]}}`
	}
	replace(t, library, map[string]string{
		"StructureDefinition-clinic-quantity.json": definition("clinic-quantity", "Quantity"),
		"StructureDefinition-urgency-reason.json":  definition("urgency-reason", "Extension"),
		"StructureDefinition-unused.json":          definition("unused", "Patient"),
	})
	source := unpacked(t, filepath.Join("testdata", "clinic"))
	for _, name := range []string{"clinic-quantity", "urgency-reason"} {
		if err := os.Remove(filepath.Join(source, "package", "StructureDefinition-"+name+".json")); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ReadReferenced(library); err != nil {
		t.Fatal(err)
	}
	files, err := d.Profiles()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"clinic-finding.profile.json", "clinic-handover.profile.json", "clinic-quantity.profile.json",
		"clinic-referral.profile.json", "index.json", "urgency-reason.profile.json", "valuesets.json",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestFileNamesAreUnique gives two profiles whose URLs end alike a file each.
func TestFileNamesAreUnique(t *testing.T) {
	taken := Files{"patient.profile.json": {}}
	if got, want := fileName("http://b.example/patient", taken), "patient-2.profile.json"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPackageNames names a package by its manifest, an IG's output by its ImplementationGuide, and loose definitions
// by their folder.
func TestPackageNames(t *testing.T) {
	for name, tt := range map[string]struct {
		files Files
		want  string
	}{
		"package":    {Files{"package.json": []byte(`{"name":"a","version":"1"}`)}, "a#1"},
		"IG":         {Files{"ImplementationGuide-b.json": []byte(`{"packageId":"b","version":"2"}`)}, "b#2"},
		"loose":      {Files{"ValueSet-c.json": []byte(`{}`)}, "folder"},
		"IG unnamed": {Files{"ImplementationGuide-b.json": []byte(`{"packageId":"b"}`)}, "folder"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := identify(filepath.Join("some", "folder"), slices.Sorted(maps.Keys(tt.files)), tt.files)
			if err != nil || id.String() != tt.want {
				t.Errorf("got %q, %v, want %q", id, err, tt.want)
			}
		})
	}
}
