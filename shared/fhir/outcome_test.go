package fhir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestOutcomeIsBounded(t *testing.T) {
	issues := make([]fhir.Issue, 10_000)
	for i := range issues {
		issues[i] = fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.CodeValue, Details: strings.Repeat("\"", 200)}
	}
	issues[9_999].Severity = fhir.SeverityError
	body := fhir.Outcome(issues)
	var got struct {
		Issue []struct {
			Severity string
			Details  struct{ Text string }
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if len(body) > fhir.MaxOutcomeBytes || len(got.Issue) > fhir.MaxIssues {
		t.Errorf("got %d issues in %d bytes, want at most %d in %d", len(got.Issue), len(body), fhir.MaxIssues, fhir.MaxOutcomeBytes)
	}
	if got.Issue[0].Severity != "error" {
		t.Errorf("got %s first, want the error first", got.Issue[0].Severity)
	}
	left := fmt.Sprint(10_000 - (len(got.Issue) - 1))
	if last := got.Issue[len(got.Issue)-1].Details.Text; !strings.Contains(last, left) {
		t.Errorf("got last issue %q, want it to count %s more", last, left)
	}
}

// TestOutcomeTellsTheWorstFirst also shows the rule that an issue names.
func TestOutcomeTellsTheWorstFirst(t *testing.T) {
	got := fhir.Outcome([]fhir.Issue{
		{Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "third"},
		{Severity: fhir.SeverityWarning, Code: fhir.CodeBusinessRule, Details: "second"},
		{Severity: fhir.SeverityError, Code: fhir.CodeInvariant, Details: "first", Expression: "Patient",
			Rule: "pat-1", Source: "http://hl7.org/fhir/StructureDefinition/Patient"},
	})
	want := `{"resourceType":"OperationOutcome","issue":[` +
		`{"severity":"error","code":"invariant","details":{"coding":[{"system":"http://hl7.org/fhir/StructureDefinition/Patient","code":"pat-1"}],"text":"first"},"expression":["Patient"]},` +
		`{"severity":"warning","code":"business-rule","details":{"text":"second"}},` +
		`{"severity":"information","code":"informational","details":{"text":"third"}}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCodeOf(t *testing.T) {
	rejected := fhir.NewError(fhir.CodeConflict, "", "").WithCause(errors.New("cause"))
	for _, test := range []struct {
		err       error
		code      fhir.Code
		transient bool
	}{
		{errors.New("anything"), fhir.CodeException, true},
		{rejected, fhir.CodeConflict, false},
		{fmt.Errorf("settle: %w", rejected), fhir.CodeConflict, false},
		{fhir.NewError(fhir.CodeThrottled, "", ""), fhir.CodeThrottled, true},
	} {
		if got := fhir.CodeOf(test.err); got != test.code || got.Transient() != test.transient {
			t.Errorf("CodeOf(%v) = %s, transient %v; want %s, %v", test.err, got, got.Transient(), test.code, test.transient)
		}
	}
}
