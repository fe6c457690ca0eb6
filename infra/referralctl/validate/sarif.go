package validate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// SARIF prints all reports as one log (SARIF 2.1.0), with what GitHub's code scanning asks for: rules with help, one
// location for each result, and a fingerprint that outlives the moving of lines.
type SARIF struct {
	Out io.Writer

	rules   []sarifRule
	index   map[string]int // of rules, by id
	results []sarifResult
	seen    map[string]int // how often a fingerprint was given
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID               string    `json:"id"`
	ShortDescription sarifText `json:"shortDescription"`
	FullDescription  sarifText `json:"fullDescription"`
	Help             sarifText `json:"help"`
	HelpURI          string    `json:"helpUri,omitempty"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	PhysicalLocation struct {
		ArtifactLocation struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region sarifRegion `json:"region"`
	} `json:"physicalLocation"`
	LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn"`
	EndLine     int `json:"endLine"`
	EndColumn   int `json:"endColumn"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

// Report keeps r until the end.
func (s *SARIF) Report(r Report) error {
	if s.index == nil {
		s.index, s.seen = map[string]int{}, map[string]int{}
	}
	for _, f := range r.Findings {
		rule := s.rule(f.Issue)
		result := sarifResult{
			RuleID: s.rules[rule].ID, RuleIndex: rule, Level: level(f.Severity), Message: sarifText{f.Details},
			Fingerprints: map[string]string{"primaryLocationLineHash": s.fingerprint(r, s.rules[rule].ID, f.Expression)},
		}
		var at sarifLocation
		at.PhysicalLocation.ArtifactLocation.URI = artifact(r.Path)
		at.PhysicalLocation.Region = sarifRegion{f.Line, f.Column, f.Line, f.End}
		if f.Expression != "" {
			at.LogicalLocations = []sarifLogical{{f.Expression}}
			result.Message.Text += " (" + f.Expression + ")"
		}
		result.Locations = []sarifLocation{at}
		s.results = append(s.results, result)
	}
	return nil
}

// rule returns the index of the rule that an issue is about: one that a definition states, or the kind of fault.
func (s *SARIF) rule(issue fhir.Issue) int {
	id, text, help := string(issue.Code), "An issue of type "+string(issue.Code)+" in FHIR R4", "http://hl7.org/fhir/R4/valueset-issue-type.html"
	if issue.Rule != "" {
		id, text, help = issue.Rule, "Rule "+ruleInWords(issue), issue.Source
		if issue.Source != fhir.OwnRules && issue.Source != "" {
			id = path.Base(issue.Source) + "/" + issue.Rule
		}
	}
	if i, known := s.index[id]; known {
		return i
	}
	s.index[id] = len(s.rules)
	s.rules = append(s.rules, sarifRule{
		ID: id, ShortDescription: sarifText{text}, FullDescription: sarifText{text},
		Help: sarifText{text + ". The message says what to change."}, HelpURI: help,
	})
	return s.index[id]
}

// fingerprint tells one finding from the others of its file by what does not move with the lines.
func (s *SARIF) fingerprint(r Report, rule, expression string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{fmt.Sprint(r.Document), rule, expression}, "\n")))
	hash := hex.EncodeToString(sum[:8])
	s.seen[r.Path+"\n"+hash]++
	return fmt.Sprintf("%s:%d", hash, s.seen[r.Path+"\n"+hash])
}

func level(severity fhir.Severity) string {
	switch severity {
	case fhir.SeverityFatal, fhir.SeverityError:
		return "error"
	case fhir.SeverityWarning:
		return "warning"
	default:
		return "note"
	}
}

// artifact is a file as a URI: relative, as code scanning wants it, unless it lies elsewhere.
func artifact(path string) string {
	if path == Stdin {
		return "stdin"
	}
	clean := filepath.ToSlash(filepath.Clean(path))
	if filepath.IsAbs(path) {
		return (&url.URL{Scheme: "file", Path: clean}).String()
	}
	return (&url.URL{Path: clean}).EscapedPath()
}

// End prints the log.
func (s *SARIF) End(Summary) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "referralctl validate", InformationURI: strings.TrimSuffix(fhir.OwnRules, "/rules"), Rules: []sarifRule{}}
	run.Results = append(run.Results, s.results...)
	run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, s.rules...)
	encoder := json.NewEncoder(s.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}
