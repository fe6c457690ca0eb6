package validate

import (
	"encoding/json"
	"io"
)

// Lines prints reports for programs: a line of JSON for each document, and one with the summary.
type Lines struct{ Out io.Writer }

// reportLine is a Report as JSON.
type reportLine struct {
	Path     string        `json:"path"`
	Document int           `json:"document,omitempty"`
	Valid    bool          `json:"valid"`
	Issues   []findingLine `json:"issues"`
}

type findingLine struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Details    string `json:"details"`
	Expression string `json:"expression,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Source     string `json:"source,omitempty"`
	Line       int    `json:"line"`
	Column     int    `json:"column"`
}

// Report prints r.
func (l *Lines) Report(r Report) error {
	line := reportLine{Path: r.Path, Document: r.Document, Valid: !r.Fails(), Issues: []findingLine{}}
	for _, f := range r.Findings {
		line.Issues = append(line.Issues, findingLine{
			Severity: string(f.Severity), Code: string(f.Code), Details: f.Details, Expression: f.Expression,
			Rule: f.Rule, Source: f.Source, Line: f.Line, Column: f.Column,
		})
	}
	return l.print(line)
}

// End prints the summary.
func (l *Lines) End(s Summary) error { return l.print(map[string]Summary{"summary": s}) }

func (l *Lines) print(v any) error {
	encoder := json.NewEncoder(l.Out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
