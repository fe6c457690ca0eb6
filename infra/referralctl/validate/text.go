package validate

import (
	"fmt"
	"io"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Text prints reports for people: a line of the form file:line:column, which editors and terminals can follow, and
// below it the element and the rule.
type Text struct {
	Out    io.Writer
	Colour bool // for a terminal
	All    bool // print what is only information, too

	hidden int // how much of that was not printed
}

// Report prints r; nothing for a document without findings.
func (t *Text) Report(r Report) error {
	for _, f := range r.Findings {
		if f.Severity == fhir.SeverityInformation && !t.All {
			t.hidden++
			continue
		}
		_, err := fmt.Fprintf(t.Out, "%s: %s: %s\n", t.paint(bold, fmt.Sprintf("%s:%d:%d", shown(r.Path), f.Line, f.Column)),
			t.paint(colours[f.Severity], string(f.Severity)), f.Details)
		if err != nil {
			return err
		}
		about := []string{string(f.Code)}
		if f.Expression != "" {
			about = []string{f.Expression, string(f.Code)}
		}
		if f.Rule != "" {
			about = append(about, ruleInWords(f.Issue))
		}
		if _, err := fmt.Fprintf(t.Out, "    %s\n", strings.Join(about, " · ")); err != nil {
			return err
		}
	}
	return nil
}

func ruleInWords(issue fhir.Issue) string {
	switch issue.Source {
	case "":
		return issue.Rule
	case fhir.OwnRules:
		return issue.Rule + " (a rule of the Referral FHIR Server)"
	}
	return issue.Rule + " of " + issue.Source
}

// End prints the summary.
func (t *Text) End(s Summary) error {
	fine := s.Documents - s.WithErrors - s.WithWarnings
	more := ""
	if t.hidden > 0 {
		more = fmt.Sprintf(" --all shows %s.", count(t.hidden, "more remark"))
	}
	_, err := fmt.Fprintf(t.Out, "%s: %d fine, %d with warnings, %d with errors (%s, %s).%s\n", count(s.Documents, "document"),
		fine, s.WithWarnings, s.WithErrors, count(s.Errors, "error"), count(s.Warnings, "warning"), more)
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shown is a file's name for people.
func shown(path string) string {
	if path == Stdin {
		return "standard input"
	}
	return path
}

// The colours, as terminals know them (ECMA-48 SGR).
const bold = "1"

var colours = map[fhir.Severity]string{
	fhir.SeverityFatal: "1;31", fhir.SeverityError: "1;31", fhir.SeverityWarning: "33", fhir.SeverityInformation: "36",
}

func (t *Text) paint(colour, text string) string {
	if !t.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
