package profile_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

const (
	requesting = "http://hl7.org.au/fhir/ereq/StructureDefinition/au-erequesting-"
	core       = "http://hl7.org.au/fhir/core/StructureDefinition/au-core-"
	summary    = "http://hl7.org.au/fhir/ps/StructureDefinition/au-ps-"
)

// published is the library of what this server ships.
func published(tb testing.TB) (*profile.Checker, *profile.Library) {
	tb.Helper()
	folder := os.DirFS("../profiles")
	library, err := profile.NewLibrary(folder)
	if err != nil {
		tb.Fatal(err)
	}
	return profile.NewChecker(library, terminology.New(folder)), library
}

// checkAll holds every resource of a document, contained ones too, against what it claims.
func checkAll(checker *profile.Checker, library *profile.Library, root *fhir.Value) []fhir.Issue {
	document := element.NewDocument(root)
	session := checker.Session(document)
	claimed := func(scope element.Scope, path string) {
		urls := scope.Resource.At("meta", "profile").Items()
		for i := range urls {
			if p := library.Profile(urls[i].Text()); p != nil {
				session.Resource(scope, scope.Resource, func() string { return path }, p, false)
			}
		}
	}
	each := func(scope element.Scope, path string) {
		if scope.Resource == nil {
			return
		}
		claimed(scope, path)
		contained := scope.Resource.Get("contained").Items()
		for i := range contained {
			claimed(scope.Contained(&contained[i]), fmt.Sprintf("%s.contained[%d]", path, i))
		}
	}
	each(document.Root(), "Resource")
	for i := range document.Entries() {
		each(document.Entry(i), fmt.Sprintf("Bundle.entry[%d].resource", i))
	}
	return session.Issues
}

// TestHostileDocumentsEndInTime checks documents that are made to be hard, each as large as the gate lets through. A
// document takes less than a second, or little more where the tests run with the race detector on a busy machine.
func TestHostileDocumentsEndInTime(t *testing.T) {
	entries := func(n int, resource func(i int) string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`{"fullUrl": "https://example.org/fhir/Task/%d", "resource": %s}`, i, resource(i))
		}
		return `{"resourceType": "Bundle", "type": "collection", "entry": [` + strings.Join(all, ",") + `]}`
	}
	repeat := func(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }
	heavy := func(claims, more string) string {
		return `{"resourceType": "Task", "meta": {"profile": [` + claims + `]}` + more + `}`
	}
	claim := `"` + requesting + `task-group"`
	for _, c := range []struct{ name, document string }{
		{"a thousand resources that claim a profile", entries(1000, func(i int) string {
			return heavy(claim, fmt.Sprintf(`, "partOf": [%s]`, repeat(40, fmt.Sprintf(`{"reference": "Task/%d"}`, (i+1)%1000))))
		})},
		{"a chain of targets that claim nothing", entries(1000, func(i int) string {
			more := fmt.Sprintf(`, "partOf": [{"reference": "Task/%d"}]`, i+1)
			if i == 0 {
				return heavy(`"`+requesting+`task-diagnosticrequest"`, more)
			}
			return `{"resourceType": "Task"` + more + `}`
		})},
		{"a target with very many claims", entries(900, func(i int) string {
			if i == 0 {
				return heavy(repeat(20000, `"http://example.org/unknown"`), "")
			}
			return heavy(`"`+requesting+`task-diagnosticrequest"`, `, "partOf": [{"reference": "Task/0"}]`)
		})},
		{"items and slices by profile", `{"resourceType": "Composition", "meta": {"profile": ["` + summary + `composition"]}, "contained": [` +
			repeat(200, `{"resourceType": "Observation", "id": "o"}`) + `], "section": [` +
			repeat(1000, `{"code": {"coding": [{"system": "http://loinc.org", "code": "30954-2"}]}, "entry": [`+repeat(20, `{"reference": "#p"}`)+`]}`) + `]}`},
		{"contained resources that must be looked for", heavy(claim, `, "partOf": [`+repeat(20000, `{"reference": "#x"}`)+`], "contained": [`+
			repeat(20000, `{"resourceType": "Task"}`)+`]`)},
		{"codings to compare with patterns", `{"resourceType": "Observation", "meta": {"profile": ["` + core + `bloodpressure"]}, "component": [` +
			repeat(400, `{"code": {"coding": [`+repeat(100, `{"system": "http://loinc.org", "code": "x"}`)+`]}}`) + `]}`},
		{"identifiers to slice", `{"resourceType": "Patient", "meta": {"profile": ["` + core + `patient"]}, "identifier": [` +
			repeat(12000, `{"type": {"coding": [{"code": "x"}, {"code": "y"}, {"code": "z"}]}}`) + `]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, err := fhir.Parse([]byte(c.document), "Resource", fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			checker, library := published(t)
			checkAll(checker, library, root) // reads the tables
			start := time.Now()
			issues := checkAll(checker, library, root)
			took := time.Since(start)
			t.Logf("%v, %d issues", took, len(issues))
			if limit := 3 * time.Second; took > limit {
				t.Errorf("took %v, want less than %v", took, limit)
			}
		})
	}
}

// TestTooCostly says so once, as an error, when a document takes more work than it may.
func TestTooCostly(t *testing.T) {
	checker, library := published(t)
	names := strings.TrimSuffix(strings.Repeat(`{"given": ["A"]},`, 60000), ",")
	all := strings.TrimSuffix(strings.Repeat(`"`+core+`patient",`, 60), ",")
	root := parse(t, `{"resourceType": "Patient", "meta": {"profile": [`+all+`]}, "name": [`+names+`]}`)
	costly := 0
	for _, i := range checkAll(checker, library, root) {
		if i.Code == fhir.CodeTooCostly && i.Severity == fhir.SeverityError {
			costly++
		}
	}
	if costly != 1 {
		t.Errorf("got %d issues %s, want 1", costly, fhir.CodeTooCostly)
	}
}
