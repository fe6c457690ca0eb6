package schemas_test

import (
	"cmp"
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// knownBad are the published examples that are not valid, by file, with the reason and the expression and rule of
// each fault.
var knownBad = map[string]struct {
	reason string
	faults []string
}{
	"psinferno__mandatory-error-ms-bundle.json": {
		"test-kit fixture that is to fail: a Condition without category, and a Device among the medications",
		[]string{"Bundle.entry[0].resource.section[2].entry[0] target", "Bundle.entry[10].resource.category cardinality"},
	},
	"psinferno__optional-error-ms-bundle.json": {
		"test-kit fixture that is to fail: a Patient without identifiers, sections that a summary must have are missing, an AllergyIntolerance as social history",
		[]string{
			"Bundle.entry[6].resource.category cardinality", "Bundle.entry[6].resource.subject target",
			"Bundle.entry[0].resource.section[7].entry[0] target",
			"Bundle.entry[0].resource.section cardinality", "Bundle.entry[1].resource au-core-pat-01",
			"Bundle.entry[1].resource.identifier cardinality",
		},
	},
	"psinferno__optional-success-bundle.json": {
		"test-kit fixture of the optional sections alone, with the same Patient; its active Condition has abated",
		[]string{
			"Bundle.entry[5].resource con-4", "Bundle.entry[0].resource.subject target",
			"Bundle.entry[0].resource.section cardinality", "Bundle.entry[1].resource au-core-pat-01",
			"Bundle.entry[1].resource.identifier cardinality",
		},
	},
	"psinferno__recommended-error-ms-bundle.json": {
		"test-kit fixture that is to fail: as above, its Immunizations lack an element that R4 requires, an AllergyIntolerance among the results",
		[]string{
			"Bundle.entry[5].resource.vaccineCode required", "Bundle.entry[5].resource.patient target",
			"Bundle.entry[6].resource.vaccineCode required", "Bundle.entry[7].resource.vaccineCode required",
			"Bundle.entry[0].resource.section[1].entry[0] target",
			"Bundle.entry[0].resource.section cardinality", "Bundle.entry[1].resource au-core-pat-01",
			"Bundle.entry[1].resource.identifier cardinality",
		},
	},
	"psinferno__recommended-success-bundle.json": {
		"test-kit fixture of the recommended sections alone, with the same Patient",
		[]string{
			"Bundle.entry[6].resource.subject target", "Bundle.entry[0].resource.section cardinality", "Bundle.entry[1].resource au-core-pat-01",
			"Bundle.entry[1].resource.identifier cardinality",
		},
	},
	"td-ereq__Task-task-communicationrequest-patient-instruction.json": {
		"the profile wants a PractitionerRole as requester; this one is a Patient",
		[]string{"Task.requester target"},
	},
}

// TestCheckPublishedExamples checks the instances published with the Australian profiles and test kits: a validator
// that reports an error on one of them is almost always wrong.
func TestCheckPublishedExamples(t *testing.T) {
	folder := filepath.Join("..", "..", "shared", "fhir")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published examples are not beside this repository")
	}
	index, err := os.Open(filepath.Join(folder, "EXAMPLES.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	table := csv.NewReader(index)
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	v := schemas.New(schemas.Config{})
	for _, row := range rows[1:] {
		name := row[1]
		data, err := os.ReadFile(filepath.Join(folder, "examples", name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := fhir.Parse(data, "Resource", fhir.Limits{})
		if err != nil {
			t.Errorf("Parse(%s): %v", name, err)
			continue
		}
		var got []string
		for _, i := range failing(v.Check(doc, "")) {
			got = append(got, i.Expression+" "+cmp.Or(i.Rule, string(i.Code)))
		}
		if diff := gocmp.Diff(knownBad[name].faults, slices.Compact(got)); diff != "" {
			t.Errorf("Check(%s): (-want +got)\n%s", name, diff)
		}
	}
	if got, want := len(rows)-1, 1_000; got < want {
		t.Errorf("got %d examples, want at least %d", got, want)
	}
}

// TestEveryResourceTypeLoads reads every schema, and with it everything it refers to.
func TestEveryResourceTypeLoads(t *testing.T) {
	files, err := fs.Glob(os.DirFS("r4"), "[A-Z]*.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	v := schemas.New(schemas.Config{})
	for _, name := range files {
		resourceType := name[:len(name)-len(".schema.json")]
		issues := structural(v.Check(parse(t, `{"resourceType":"`+resourceType+`","notAnElement":1}`), ""))
		want := issue(fhir.CodeStructure, resourceType, unknown(len(`{"resourceType":"`+resourceType+`",`)+1))
		if len(issues) == 0 || issues[len(issues)-1] != want {
			t.Errorf("Check(%s): got %v, want it to end in %v", resourceType, issues, want)
		}
	}
	if got, want := len(files), 146; got != want { // FHIR R4 resourcelist.html, without the two abstract ones
		t.Errorf("got %d resource types, want %d", got, want)
	}
}
