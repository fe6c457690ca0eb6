package schemas_test

import (
	"cmp"
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
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
}{}

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
		if diff := gocmp.Diff(knownBad[name].faults, got); diff != "" {
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
