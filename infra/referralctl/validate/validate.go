// Package validate holds files against FHIR and its profiles for referralctl validate, and prints what is wrong with
// file, line and column: for people, for programs and for code scanning.
//
// It reads files and standard input, and nothing else: no server, no network. What it prints names elements and
// rules; of a document's values it repeats none.
package validate

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Checker finds what is wrong with a resource, by what it claims to be and by profiles. *schemas.Validator does.
type Checker interface {
	Check(v *fhir.Value, path string, profiles ...string) []fhir.Issue
}

// Report is what is said about one document.
type Report struct {
	Path     string
	Document int       // the nth of several in the file, from 1; 0 where it is the only one
	Findings []Finding // in the order of the document
}

// Finding is an issue with its place in the file, lines and columns from 1, columns in characters. End is the column
// after the word that stands there.
type Finding struct {
	fhir.Issue
	Line, Column, End int
}

// Fails tells whether the document has an error.
func (r Report) Fails() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Fails() })
}

// Check holds a document against FHIR, what it claims, and profiles, canonical URLs.
func Check(d Document, c Checker, profiles ...string) Report {
	report := Report{Path: d.Path, Document: d.Number}
	if why := foreign(d.Body); why != "" {
		issue := fhir.Issue{Severity: fhir.SeverityError, Code: fhir.CodeNotSupported, Details: why}
		report.Findings = []Finding{d.finding(issue, 1, 1)}
		return report
	}
	v, err := fhir.Parse(d.Body, "Resource", fhir.Limits{})
	var issues []fhir.Issue
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		issues = e.Issues
	} else {
		issues = c.Check(v, "", profiles...)
	}
	for _, issue := range issues {
		report.Findings = append(report.Findings, d.find(issue, v))
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return report
}

// position is how the gate and the schemas end a sentence about what has no name that may be told.
var position = regexp.MustCompile(` \(line (\d+), column (\d+)\)$`)

// find returns the place of an issue: the one it tells, else that of its element.
func (d Document) find(issue fhir.Issue, v *fhir.Value) Finding {
	if told := position.FindStringSubmatch(issue.Details); told != nil {
		line, lineErr := strconv.Atoi(told[1])
		column, columnErr := strconv.Atoi(told[2])
		if lineErr == nil && columnErr == nil {
			issue.Details = strings.TrimSuffix(issue.Details, told[0])
			return d.finding(issue, line, column)
		}
	}
	at := locate(v, issue.Expression).Position(fhir.Position{})
	return d.finding(issue, at.Line(), at.Column())
}

// finding is issue at a line and column of the document, told by those of its file.
func (d Document) finding(issue fhir.Issue, line, column int) Finding {
	f := Finding{Issue: issue, Line: line + d.line, Column: column}
	end := column + len([]rune(word(d.Body, line, column)))
	if line == 1 {
		f.Column, end = column+d.column, end+d.column
	}
	f.End = max(end, f.Column+1)
	return f
}

// word returns what stands at a place up to the end of its string or number, on one line.
func word(body []byte, line, column int) string {
	for ; line > 1; line-- {
		_, body, _ = bytes.Cut(body, []byte("\n"))
	}
	text, _, _ := bytes.Cut(body, []byte("\n"))
	characters := []rune(string(text[:min(len(text), maxWord)]))
	characters = characters[min(column-1, len(characters)):]
	for i, c := range characters {
		switch {
		case i > 0 && c == '"' && characters[0] == '"':
			return string(characters[:i+1])
		case characters[0] != '"' && strings.ContainsRune(" \t\r,:]}", c):
			return string(characters[:i])
		}
	}
	return string(characters[:min(1, len(characters))])
}

// maxWord is how far into a line a word is looked for: some documents are one line of megabytes.
const maxWord = 64 << 10

// Summary counts.
type Summary struct {
	Documents    int `json:"documents"`
	WithErrors   int `json:"withErrors"`
	WithWarnings int `json:"withWarnings"` // and no errors
	Errors       int `json:"errors"`
	Warnings     int `json:"warnings"`
}

// Add counts r.
func (s *Summary) Add(r Report) {
	s.Documents++
	warnings := 0
	for _, f := range r.Findings {
		switch {
		case f.Fails():
			s.Errors++
		case f.Severity == fhir.SeverityWarning:
			warnings++
		}
	}
	s.Warnings += warnings
	switch {
	case r.Fails():
		s.WithErrors++
	case warnings > 0:
		s.WithWarnings++
	}
}
