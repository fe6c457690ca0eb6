package fhir

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
)

// The bounds of an OperationOutcome: a sender with ten thousand faults gets the first fifty and their number.
const (
	MaxIssues       = 50
	MaxOutcomeBytes = 32 << 10
)

type outcome struct {
	ResourceType string         `json:"resourceType"`
	Issue        []outcomeIssue `json:"issue"`
}

type outcomeIssue struct {
	Severity   Severity `json:"severity"`
	Code       Code     `json:"code"`
	Details    *details `json:"details,omitempty"`
	Expression []string `json:"expression,omitempty"`
}

type details struct {
	Coding []coding `json:"coding,omitempty"`
	Text   string   `json:"text"`
}

// coding names the rule that was broken: the definition that states it, and its key there.
type coding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

// Outcome returns an OperationOutcome (FHIR R4 operationoutcome.html) as JSON: the worst issues first, those of one
// severity in their order, at most MaxIssues and MaxOutcomeBytes, the last one saying how many more there were. No
// issues at all becomes one that says so, since OperationOutcome.issue is 1..*.
func Outcome(issues []Issue) json.RawMessage {
	if len(issues) == 0 {
		issues = []Issue{{Severity: SeverityInformation, Code: CodeInformational, Details: "No issues."}}
	}
	issues = slices.Clone(issues)
	slices.SortStableFunc(issues, func(a, b Issue) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
	o := outcome{ResourceType: "OperationOutcome"}
	size := 0
	for i, issue := range issues {
		// 160 bytes cover the names and quotes of one issue; escaping may double a text.
		size += 160 + 2*(len(issue.Details)+len(issue.Expression)+len(issue.Rule)+len(issue.Source))
		if left := len(issues) - i; len(o.Issue) == MaxIssues-1 && left > 1 || size > MaxOutcomeBytes-512 {
			o.Issue = append(o.Issue, outcomeIssue{
				Severity: SeverityInformation, Code: CodeTooCostly,
				Details: &details{Text: more(left)},
			})
			break
		}
		o.Issue = append(o.Issue, issue.wire())
	}
	return marshalOutcome(o)
}

// rank orders the severities, the worst first.
var rank = map[Severity]int{SeverityFatal: 0, SeverityError: 1, SeverityWarning: 2, SeverityInformation: 3}

func (i Issue) wire() outcomeIssue {
	w := outcomeIssue{Severity: i.Severity, Code: i.Code}
	if i.Details != "" {
		w.Details = &details{Text: i.Details}
		if i.Rule != "" {
			w.Details.Coding = []coding{{System: i.Source, Code: i.Rule}}
		}
	}
	if i.Expression != "" {
		w.Expression = []string{i.Expression}
	}
	return w
}

func marshalOutcome(o outcome) json.RawMessage {
	b, err := json.Marshal(o)
	if err != nil {
		panic("fhir: OperationOutcome of strings cannot fail to encode: " + err.Error())
	}
	return b
}

func more(n int) string {
	return "and " + strconv.Itoa(n) + " more issues that are not listed"
}
