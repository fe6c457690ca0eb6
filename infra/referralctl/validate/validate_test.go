package validate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/validate"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

var update = flag.Bool("update", false, "write the golden files")

// told is a checker that says the same of every document: the printers and places are this package's, and what is
// wrong is that of package schemas.
type told []fhir.Issue

func (c told) Check(*fhir.Value, string, ...string) []fhir.Issue { return c }

// issues are one of each kind, about testdata/referral.json.
var issues = told{
	{Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "Not checked here: the codes are not known",
		Expression: "Bundle.entry[0].resource.birthDate.extension[0].value", Rule: "binding", Source: "http://hl7.org.au/fhir/StructureDefinition/date-accuracy-indicator"},
	{Severity: fhir.SeverityError, Code: fhir.CodeStructure, Details: "Unknown element: FHIR R4 does not have it here (line 13, column 9)",
		Expression: "Bundle.entry[0].resource"},
	{Severity: fhir.SeverityWarning, Code: fhir.CodeValue, Details: "The IHI has a wrong check digit",
		Expression: "Bundle.entry[0].resource.identifier[0].value", Rule: "inv-ihi-value-2", Source: "http://hl7.org.au/fhir/StructureDefinition/au-ihi"},
	{Severity: fhir.SeverityError, Code: fhir.CodeRequired, Details: "intent is required", Expression: "Bundle.entry[1].resource.intent"},
	{Severity: fhir.SeverityError, Code: fhir.CodeNotFound, Details: "No entry of the Bundle has this fullUrl",
		Expression: "Bundle.entry[1].resource.subject.reference", Rule: "reference-resolves", Source: fhir.OwnRules},
	{Severity: fhir.SeverityError, Code: fhir.CodeNotFound, Details: "Another fault of the same rule",
		Expression: "Bundle.entry[1].resource.subject.reference", Rule: "reference-resolves", Source: fhir.OwnRules},
}

// printer is what the formats have in common.
type printer interface {
	Report(validate.Report) error
	End(validate.Summary) error
}

// TestGolden prints one file that has every kind of issue, and one with none, in each format.
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	for name, p := range map[string]printer{
		"text": &validate.Text{Out: &out}, "colour": &validate.Text{Out: &out, Colour: true, All: true},
		"json": &validate.Lines{Out: &out}, "sarif": &validate.SARIF{Out: &out},
	} {
		out.Reset()
		var summary validate.Summary
		for file, checker := range map[string]told{"referral.json": issues, "fine.json": nil} {
			if file == "fine.json" && name == "json" {
				continue // the order of two lines
			}
			for _, d := range read(t, filepath.Join("testdata", file), "") {
				r := validate.Check(d, checker)
				summary.Add(r)
				if err := p.Report(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := p.End(summary); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "golden."+name)
		if *update {
			if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func read(t testing.TB, path, stdin string) []validate.Document {
	t.Helper()
	documents, err := validate.Read(path, strings.NewReader(stdin))
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

// TestPlaces: an expression leads to where the element stands, and what is missing to what should have it.
func TestPlaces(t *testing.T) {
	const document = `{
 "resourceType": "Patient",
 "active": true,
 "birthDate": "1970",
 "_birthDate": {"extension": [{"url": "urn:x",
   "valueCode": "é"}]},
 "name": [{"given": ["Ann", null],
   "_given": [null, {"id": "g"}]},
  {"family": "Example"}],
 "deceasedDateTime": "2020"
}`
	for expression, want := range map[string]string{
		"":                                     "1:1",
		"Patient":                              "1:1",
		"Patient.gender":                       "1:1",
		"Patient.active":                       "3:2",
		"Patient.birthDate":                    "4:2",
		"Patient.birthDate.extension[0]":       "5:31",
		"Patient.birthDate.extension[0].url":   "5:32",
		"Patient.birthDate.extension[0].value": "6:4",
		"Patient.birthDate.extension[7]":       "4:2",
		"Patient.name":                         "7:2",
		"Patient.name[0].given[0]":             "7:22",
		"Patient.name[0].given[1]":             "8:21",
		"Patient.name[0].given[1].id":          "8:22",
		"Patient.name[1].family":               "9:4",
		"Patient.name[1].text":                 "9:3",
		"Patient.deceased":                     "10:2",
		"Patient.deceased.extension[0]":        "10:2",
		"Resource.active":                      "3:2",
		"Patient.name[x]":                      "7:2",
		"Patient..":                            "1:1",
	} {
		c := told{{Severity: fhir.SeverityError, Expression: expression}}
		f := validate.Check(validate.Document{Body: []byte(document)}, c).Findings[0]
		if got := fmt.Sprintf("%d:%d", f.Line, f.Column); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}

// TestPlacesOfSeveral: a place is that of the file, not of the document in it.
func TestPlacesOfSeveral(t *testing.T) {
	const input = "{\"resourceType\":\"Patient\"}\n{\"a\":1} \t{\n\"b\":2}\n\n{\"c\":"
	c := told{{Severity: fhir.SeverityError}}
	var got []string
	for _, d := range read(t, validate.Stdin, input) {
		r := validate.Check(d, c)
		got = append(got, fmt.Sprintf("%d at %d:%d", r.Document, r.Findings[0].Line, r.Findings[0].Column))
	}
	want := []string{"1 at 1:1", "2 at 2:1", "3 at 2:10", "4 at 5:6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if only := read(t, validate.Stdin, "\n {}\n"); len(only) != 1 || only[0].Number != 0 {
		t.Errorf("got %d documents, the first number %d, want one without a number", len(only), only[0].Number)
	}
	file := filepath.Join(t.TempDir(), "referrals.ndjson")
	if err := os.WriteFile(file, []byte("{}\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, file, "")); got != 2 {
		t.Errorf("got %d documents of a file, want 2", got)
	}
}

// TestForeignFiles: what is no FHIR JSON is told by what it is.
func TestForeignFiles(t *testing.T) {
	for content, want := range map[string]string{
		"":                              "nothing here",
		" \n":                           "nothing here",
		"<Bundle/>":                     "XML",
		"\n<?xml version='1.0'?>":       "XML",
		"%PDF-1.7":                      "PDF",
		"PK\x03\x04":                    "zip",
		"\x1f\x8b\x08":                  "gzip",
		"MSH|^~\\&|":                    "HL7 v2",
		"\xff\xfe{\x00":                 "UTF-16",
		"resourceType: Patient":         "YAML",
		"[]":                            "is a JSON object",
		"\xef\xbb\xbf{}":                "byte order mark",
		`{"resourceType":"Patient",}`:   "",
		`{"resourceType":"Patient"} {}`: "Unexpected characters",
	} {
		r := validate.Check(validate.Document{Body: []byte(content)}, told(nil))
		if !r.Fails() || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Details, want) {
			t.Errorf("%q: got %+v, want one error with %q", content, r.Findings, want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.json", "a.ndjson", "notes.txt", "empty/x.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := validate.Files("-", dir, filepath.Join(dir, "notes.txt"))
	want := []string{"-", filepath.Join(dir, "a.ndjson"), filepath.Join(dir, "b.json"), filepath.Join(dir, "notes.txt")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := validate.Files(filepath.Join(dir, "absent.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that it does not exist", err)
	}
	if _, err := validate.Files(filepath.Join(dir, "empty")); err == nil {
		t.Error("got no error, want that the folder has no such file")
	}
}

// TestSARIFIsWhatCodeScanningReads holds a log against what GitHub's documentation of its SARIF support requires.
func TestSARIFIsWhatCodeScanningReads(t *testing.T) {
	var out bytes.Buffer
	p := &validate.SARIF{Out: &out}
	for _, d := range read(t, filepath.Join("testdata", "referral.json"), "") {
		d.Path = filepath.Join("a folder", "100%.json")
		if err := errors.Join(p.Report(validate.Check(d, issues)), p.End(validate.Summary{})); err != nil {
			t.Fatal(err)
		}
	}
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                                      string
						ShortDescription, FullDescription, Help struct{ Text string }
					}
				}
			}
			Results []struct {
				RuleID, Level string
				RuleIndex     int
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || log.Schema == "" || run.Tool.Driver.Name == "" || len(run.Results) != len(issues) {
		t.Errorf("got version %s, schema %q, tool %q, %d results", log.Version, log.Schema, run.Tool.Driver.Name, len(run.Results))
	}
	for _, rule := range run.Tool.Driver.Rules {
		if rule.ID == "" || rule.ShortDescription.Text == "" || rule.FullDescription.Text == "" || rule.Help.Text == "" {
			t.Errorf("got rule %+v, want it complete", rule)
		}
	}
	seen := map[string]bool{}
	for _, result := range run.Results {
		at := result.Locations[0].PhysicalLocation
		fingerprint := result.PartialFingerprints["primaryLocationLineHash"]
		if run.Tool.Driver.Rules[result.RuleIndex].ID != result.RuleID || result.Message.Text == "" || fingerprint == "" || seen[fingerprint] {
			t.Errorf("got result %+v, want its rule and a fingerprint of its own", result)
		}
		seen[fingerprint] = true
		if at.ArtifactLocation.URI != "a%20folder/100%25.json" {
			t.Errorf("got URI %s", at.ArtifactLocation.URI)
		}
		if r := at.Region; r.StartLine < 1 || r.StartColumn < 1 || r.EndLine != r.StartLine || r.EndColumn <= r.StartColumn {
			t.Errorf("got region %+v", r)
		}
		if !slices.Contains([]string{"error", "warning", "note"}, result.Level) {
			t.Errorf("got level %s", result.Level)
		}
	}
}

// TestReferralsAreValid runs the real checks over the synthetic referrals.
func TestReferralsAreValid(t *testing.T) {
	files, err := validate.Files("../../../testdata/referrals")
	if err != nil {
		t.Fatal(err)
	}
	var summary validate.Summary
	validator := schemas.New(schemas.Config{})
	for _, file := range files {
		for _, d := range read(t, file, "") {
			r := validate.Check(d, validator)
			summary.Add(r)
			for _, f := range r.Findings {
				if f.Fails() {
					t.Errorf("%s:%d:%d: %s", r.Path, f.Line, f.Column, f.Details)
				}
			}
		}
	}
	if summary.Documents < 15 {
		t.Errorf("got %d documents, want 15 at least", summary.Documents)
	}
}
