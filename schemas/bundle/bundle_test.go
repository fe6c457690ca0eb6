package bundle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// now is when the tests' documents arrive.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// options are those of a server.
var options = bundle.Options{Base: "https://referrals.example/fhir", Now: now}

// parse returns a document as ingest has it: after the gate.
func parse(tb testing.TB, source string) *element.Document {
	tb.Helper()
	document, err := parseOrError([]byte(source))
	if err != nil {
		tb.Fatal(err)
	}
	return document
}

func parseOrError(source []byte) (*element.Document, error) {
	v, err := fhir.Parse(source, "Resource", fhir.Limits{})
	if err != nil {
		return nil, err
	}
	return element.NewDocument(v), nil
}

// lines shows issues without their sentences: severity, code, expression and rule.
func lines(issues []fhir.Issue) []string {
	var all []string
	for _, issue := range issues {
		all = append(all, fmt.Sprintf("%s %s %s %s", issue.Severity, issue.Code, issue.Expression, issue.Rule))
	}
	return all
}

// ruleTest is a document and the lines of its issues.
type ruleTest struct {
	name, document string
	want           []string
}

func (tt ruleTest) run(t *testing.T) {
	t.Run(tt.name, func(t *testing.T) {
		issues := bundle.Check(parse(t, tt.document), options)
		if diff := cmp.Diff(tt.want, lines(issues)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		for _, issue := range issues {
			if issue.Details == "" || issue.Source == "" {
				t.Errorf("%s: got details %q of source %q, want both", issue.Expression, issue.Details, issue.Source)
			}
		}
	})
}

// uuid is the nth of the fullUrls in the tests.
func uuid(n int) string { return fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", n) }

// of returns a Bundle of entries, each a resource or a whole entry, which get the fullUrls uuid(0), uuid(1) and on.
func of(kind string, resources ...string) string {
	var entries []string
	for i, resource := range resources {
		request := ""
		if kind == "transaction" || kind == "batch" {
			typ, _, _ := strings.Cut(strings.TrimPrefix(resource, `{"resourceType":"`), `"`)
			request = fmt.Sprintf(`,"request":{"method":"POST","url":%q}`, typ)
		}
		entries = append(entries, fmt.Sprintf(`{"fullUrl":%q,"resource":%s%s}`, uuid(i), resource, request))
	}
	return whole(kind, entries...)
}

// whole returns a Bundle of whole entries.
func whole(kind string, entries ...string) string {
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ","))
}

// about returns a resource that refers to something.
func about(resourceType, name, reference string) string {
	return fmt.Sprintf(`{"resourceType":%q,%q:{"reference":%q}}`, resourceType, name, reference)
}

func TestReferralsHold(t *testing.T) {
	files, err := filepath.Glob("../../testdata/referrals/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("got %d referrals, %v; want 15 at least", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := options
		at.Now = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
		if got := lines(bundle.Check(parse(t, string(data)), at)); got != nil {
			t.Errorf("%s: got %v, want no issues", filepath.Base(name), got)
		}
	}
}

// TestPublishedExamplesHold checks the instances published with the Australian profiles and test kits.
func TestPublishedExamplesHold(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "fhir", "examples")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published examples are not beside this repository")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) < 1000 {
		t.Fatalf("got %d examples, %v; want 1,000 at least", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, issue := range bundle.Check(parse(t, string(data)), options) {
			if issue.Fails() {
				t.Errorf("%s: got %s at %s: %s", filepath.Base(name), issue.Rule, issue.Expression, issue.Details)
			}
		}
	}
}
