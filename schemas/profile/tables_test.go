package profile_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// at is where the profiles of these tests have their canonical URLs.
const at = "http://example.org/StructureDefinition/"

// tables are profiles as package compile writes them, by the last part of their URL.
type tables map[string]string

// checker returns a Checker of tables and of the value sets colours (red, blue, of example.org/colours), partial (red
// and more) and none but these.
func (t tables) checker(tb testing.TB) (*profile.Checker, *profile.Library) {
	tb.Helper()
	index := profile.Index{Profiles: map[string]string{}}
	folder := fstest.MapFS{terminology.FileName: {Data: []byte(`{
		"http://example.org/ValueSet/colours": {"codes": {"http://example.org/colours": ["blue", "red"]}},
		"http://example.org/ValueSet/partial": {"codes": {"http://example.org/colours": ["red"]}, "partial": true}
	}`)}}
	for name, text := range t {
		var p map[string]any
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			tb.Fatalf("table %s: %v", name, err)
		}
		p["url"], p["name"] = at+name, name
		data, err := json.Marshal(p)
		if err != nil {
			tb.Fatal(err)
		}
		index.Profiles[at+name] = name + ".json"
		folder[name+".json"] = &fstest.MapFile{Data: data}
	}
	data, err := json.Marshal(index)
	if err != nil {
		tb.Fatal(err)
	}
	folder[profile.IndexName] = &fstest.MapFile{Data: data}
	library, err := profile.NewLibrary(folder)
	if err != nil {
		tb.Fatal(err)
	}
	return profile.NewChecker(library, terminology.New(folder)), library
}

// check holds a document's own resource against the profile called name.
func (t tables) check(tb testing.TB, name, text string) []fhir.Issue {
	tb.Helper()
	checker, library := t.checker(tb)
	document := element.NewDocument(parse(tb, text))
	session := checker.Session(document)
	root := document.Root()
	session.Resource(root, root.Resource, root.Resource.ResourceType, library.Profile(at+name), false)
	return session.Issues
}

func parse(tb testing.TB, text string) *fhir.Value {
	tb.Helper()
	v, err := fhir.Parse([]byte(text), "Resource", fhir.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// found is an issue without its sentence.
type found struct {
	Severity   fhir.Severity
	Code       fhir.Code
	Expression string
	Rule       string
	Profile    string // the last part of the source
}

func findings(issues []fhir.Issue) []found {
	var all []found
	for _, i := range issues {
		source := i.Source
		if len(source) > len(at) && source[:len(at)] == at {
			source = source[len(at):]
		}
		all = append(all, found{i.Severity, i.Code, i.Expression, i.Rule, source})
	}
	return all
}

// fault is an error.
func fault(code fhir.Code, rule, expression string) found {
	return found{fhir.SeverityError, code, expression, rule, "p"}
}

// ruleCase is a document that conforms to a profile called p, or the faults that it has.
type ruleCase struct {
	name     string
	document string
	want     []found
}

// run checks each document against the root of a profile of Patient, or what of is.
func run(t *testing.T, of, root string, others tables, cases []ruleCase) {
	t.Helper()
	all := tables{"p": fmt.Sprintf(`{"type": %q, "root": %s}`, of, root)}
	for name, text := range others {
		all[name] = text
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Helper()
			issues := all.check(t, "p", c.document)
			if diff := cmp.Diff(c.want, findings(issues)); diff != "" {
				t.Errorf("issues (-want +got)\n%s%v", diff, issues)
			}
		})
	}
}

// aPatient is a Patient with members.
func aPatient(members string) string {
	if members != "" {
		members = ", " + members
	}
	return `{"resourceType": "Patient"` + members + `}`
}

func diffFindings(want []found, got []fhir.Issue) string { return cmp.Diff(want, findings(got)) }
