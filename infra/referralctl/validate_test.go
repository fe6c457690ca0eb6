package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// brokenRequest lacks what FHIR requires on its second line, and refers to nothing.
const brokenRequest = `{"resourceType":"ServiceRequest",
"status":"active","intent":"order","priority":"soon",
"subject":{"reference":"#nobody"}}`

func TestValidate(t *testing.T) {
	const fine = "../../testdata/referrals/cardiology-referral.json"
	referralctl(t, "", "validate", fine).want(t, 0, "1 document: ", "")
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(brokenRequest), 0o600); err != nil {
		t.Fatal(err)
	}
	referralctl(t, "", "validate", fine, broken).want(t, exitFailed, broken+":2:36: error: priority must be one of", "")
	referralctl(t, "", "validate", fine, broken).want(t, exitFailed, broken+":3:1: error: ", "")
	referralctl(t, brokenRequest, "validate", "-").want(t, exitFailed, "standard input:2:36: error: ", "")
	referralctl(t, "<Patient/>", "validate", "-").want(t, exitFailed, "This is XML", "")
	colour := referralctl(t, brokenRequest, "validate", "-")
	if strings.Contains(colour.out, "\x1b") {
		t.Error("got colour, and no terminal to show it")
	}
}

func TestValidateFormats(t *testing.T) {
	for _, args := range [][]string{{"--json"}, {"--format", "json"}, {"--json", "--format", "json"}} {
		got := referralctl(t, brokenRequest, append([]string{"validate", "-"}, args...)...)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		var report struct {
			Path   string
			Valid  bool
			Issues []struct{ Line, Column int }
		}
		var end struct {
			Summary struct{ Documents, WithErrors int }
		}
		if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &report) != nil || json.Unmarshal([]byte(lines[1]), &end) != nil {
			t.Fatalf("%v: got %q, want a report and a summary", args, got.out)
		}
		if got.status != exitFailed || report.Path != "-" || report.Valid || len(report.Issues) < 2 || end.Summary.WithErrors != 1 {
			t.Errorf("%v: got status %d, %+v, %+v", args, got.status, report, end)
		}
	}
	var log struct {
		Version string
		Runs    []struct{ Results []struct{ RuleID string } }
	}
	got := referralctl(t, brokenRequest, "validate", "-", "--format", "sarif")
	if err := json.Unmarshal([]byte(got.out), &log); err != nil || log.Version != "2.1.0" || len(log.Runs[0].Results) < 2 {
		t.Errorf("got %q, %v, want a SARIF log", got.out, err)
	}
}

func TestValidateProfiles(t *testing.T) {
	const patient = `{"resourceType":"Patient","active":true}`
	referralctl(t, patient, "validate", "-").want(t, 0, "1 document", "")
	referralctl(t, patient, "validate", "-", "--profile", "http://hl7.org.au/fhir/core/StructureDefinition/au-core-patient").
		want(t, exitFailed, "au-core-patient", "")
	referralctl(t, patient, "validate", "-", "--profile", "https://clinic.example/StructureDefinition/ours").
		want(t, exitFailed, "error", "")
}

// TestValidatePackages: an operator's package is compiled, and its profile held against what is named.
func TestValidatePackages(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"package.json": `{"name":"clinic.example","version":"1.0.0","fhirVersions":["4.0.1"]}`,
		"StructureDefinition-ours.json": `{"resourceType":"StructureDefinition","id":"ours","url":"https://clinic.example/StructureDefinition/ours",
			"version":"1.0.0","name":"Ours","title":"Our Patient","status":"active","kind":"resource","abstract":false,"type":"Patient",
			"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",
			"snapshot":{"element":[{"id":"Patient","path":"Patient","min":0,"max":"*"},
				{"id":"Patient.birthDate","path":"Patient.birthDate","min":1,"max":"1","type":[{"code":"date"}]}]}}`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const ours = "https://clinic.example/StructureDefinition/ours"
	args := []string{"validate", "-", "--packages", folder, "--profile", ours}
	referralctl(t, `{"resourceType":"Patient","active":true}`, args...).want(t, exitFailed, "birthDate", "")
	referralctl(t, `{"resourceType":"Patient","birthDate":"1970"}`, args...).want(t, 0, "0 errors", "")
	referralctl(t, `{}`, "validate", "-", "--packages", filepath.Join(folder, "absent")).want(t, exitUsage, "", "absent")
}

func TestValidateWrongUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"no such file":            {filepath.Join(t.TempDir(), "absent.json")},
		"holds no file":           {t.TempDir()},
		"two formats":             {"-", "--json", "--format", "sarif"},
		`--format must be one of`: {"-", "--format", "xml"},
		`--default-profiles must be one of "off"`: {"-", "--default-profiles", "on"},
		`expected "<file> ..."`:                   {},
	} {
		got := referralctl(t, "{}", append([]string{"validate"}, args...)...)
		if want == "holds no file" {
			got.want(t, exitFailed, "", want)
			continue
		}
		got.want(t, exitUsage, "", want)
	}
}
