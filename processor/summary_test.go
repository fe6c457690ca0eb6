package processor_test

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// summary is what a list says of a submission. Of and Patient are types: ids are made.
type summary struct{ Of, Patient, Service, Priority, Authored string }

// summarized settles body, of a Bundle of the type, and returns its summary.
func summarized(t testing.TB, f *fixture, body string) summary {
	t.Helper()
	var bundle struct{ Type string }
	if err := json.Unmarshal([]byte(body), &bundle); err != nil {
		t.Fatal(err)
	}
	m := f.message(referral.KeyRequest, "", body)
	m.Type = bundle.Type
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, %v", state, err)
	}
	digest := f.keys.Digest(m.Request)
	got := value[[]string](t, f, `
		select array[coalesce(request, ''), coalesce(patient, ''), coalesce(service, ''), coalesce(priority, ''), coalesce(authored, '')]
		from submission where d = $1`, digest[:])
	for _, name := range got[:2] {
		if resourceType, id, _ := strings.Cut(name, "/"); name != "" && strings.HasPrefix(id, "01") &&
			value[int64](t, f, `select count(*) from resource where type = $1 and id = $2::uuid`, resourceType, id) != 1 {
			t.Errorf("%s is not stored", name)
		}
	}
	resourceType := func(name string) string { before, _, _ := strings.Cut(name, "/"); return before }
	return summary{resourceType(got[0]), resourceType(got[1]), got[2], got[3], got[4]}
}

func TestSummaryOfEachReferral(t *testing.T) {
	f := newFixture(t)
	wants := map[string]summary{
		"aged-care-referral":                       {"ServiceRequest", "Patient", "Geriatrician visit at the residence: recurrent falls, medicines review", "asap", "2026-07-08T13:25:00+10:00"},
		"antenatal-referral":                       {"ServiceRequest", "Patient", "Antenatal booking, 12 weeks", "routine", "2026-09-02T09:30:00+10:00"},
		"cardiology-referral":                      {"ServiceRequest", "Patient", "Cardiology assessment", "urgent", "2026-03-16T10:42:00+11:00"},
		"discharge-document":                       {"Composition", "Patient", "Discharge summary", "", "2026-05-19T14:20:00+10:00"},
		"imaging-request":                          {"ServiceRequest", "Patient", "X-ray of the left hand", "urgent", "2026-04-15T09:40:00+10:00"},
		"mental-health-referral":                   {"ServiceRequest", "Patient", "Psychological treatment under a GP mental health treatment plan, six sessions", "routine", "2026-05-05T16:30:00+10:00"},
		"oncology-collection":                      {"ServiceRequest", "Patient", "Medical oncology: new invasive carcinoma of the left breast", "urgent", "2026-10-07T11:50:00+11:00"},
		"paediatric-referral":                      {"ServiceRequest", "Patient", "ENT for a child: fluid in both ears, speech delay", "routine", "2026-08-12T15:10:00+10:00"},
		"pathology-request":                        {"ServiceRequest", "Patient", "Full blood count", "routine", "2026-03-18T15:20:00+11:00"},
		"patient-summary-referral":                 {"ServiceRequest", "Patient", "Respiratory and sleep physician: review of COPD and CPAP", "routine", "2026-06-02T10:15:00+10:00"},
		"pathology-with-communication-and-consent": {"ServiceRequest", "Patient", "HbA1c", "routine", "2026-06-16T08:50:00+10:00"},
		"physiotherapy-referral":                   {"ServiceRequest", "Patient", "Physiotherapy for chronic low back pain, five visits", "routine", "2026-04-21T11:05:00+10:00"},
		"referral-message":                         {"ServiceRequest", "Patient", "Cardiology assessment", "routine", "2026-03-20T09:12:00+11:00"},
		"revocation":                               {"ServiceRequest", "Patient", "Cardiology assessment", "routine", "2026-03-20T09:12:00+11:00"},
		// Its patient is named by IHI alone.
		"task-update-message": {"Task", "", "Full blood count", "routine", "2026-03-18T15:20:00+11:00"},
	}
	files, err := filepath.Glob(filepath.Join("..", "testdata", "referrals", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names = append(names, name)
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(wants[name], summarized(t, f, referralBody(t, name))); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(wants)), names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSummaryOfWhatIsNoReferral takes entries of a Bundle, whose fullUrls are http://example.org/fhir/ and type and id.
func TestSummaryOfWhatIsNoReferral(t *testing.T) {
	f := newFixture(t)
	const (
		patient   = `{"resourceType":"Patient","id":"p"}`
		second    = `{"resourceType":"Patient","id":"q"}`
		echo      = `{"resourceType":"ServiceRequest","id":"echo","subject":{"reference":"Patient/p"},"code":{"coding":[{"code":"1"},{"display":"Echo"}]},"priority":"stat","authoredOn":"2026"}`
		ecg       = `{"resourceType":"ServiceRequest","id":"ecg","subject":{"reference":"Patient/p"},"code":{"text":"ECG"},"authoredOn":"2026-11"}`
		task      = `{"resourceType":"Task","id":"t","for":{"reference":"Patient/p"},"focus":{"reference":"ServiceRequest/ecg"},"description":"Do","priority":"asap","authoredOn":"2026-11-22"}`
		group     = `{"resourceType":"Task","id":"g","for":{"reference":"Patient/p"},"description":"Group"}`
		message   = `{"resourceType":"CommunicationRequest","id":"c","subject":{"reference":"Patient/p"},"category":[{"coding":[{"code":"1"}]},{"text":"Copy"}],"payload":[{"contentString":"Please copy"}],"priority":"urgent","authoredOn":"2026-11-22T09:00:00Z"}`
		report    = `{"resourceType":"DiagnosticReport","id":"r","subject":{"reference":"Patient/p"},"code":{"text":"Histology"},"issued":"2026-11-22T09:00:00.125+11:00","effectiveDateTime":"2026"}`
		letter    = `{"resourceType":"DocumentReference","id":"l","subject":{"reference":"Patient/p"},"type":{"text":"Letter"},"date":"2026-11-22T09:00:00Z"}`
		discharge = `{"resourceType":"Composition","id":"d","subject":{"reference":"Patient/p"},"type":{"text":"Discharge summary"},"date":"2026-11-22","section":[{"section":[{"entry":[{"reference":"Patient/p"},{"reference":"ServiceRequest/ecg"}]}]}]}`
	)
	header := func(focus string) string {
		return `{"resourceType":"MessageHeader","id":"m","focus":[{"reference":"http://elsewhere.example/Task/1"},{"reference":"` + focus + `"}]}`
	}
	long := strings.Repeat("ä", 300)
	ofEcg := summary{"ServiceRequest", "Patient", "ECG", "", "2026-11"}
	for name, test := range map[string]struct {
		bundleType string
		entries    []string
		want       summary
	}{
		"message, focus on the second request":   {"message", []string{header("ServiceRequest/ecg"), patient, echo, ecg}, ofEcg},
		"message, focus on a Task for a request": {"message", []string{header("Task/t"), patient, echo, ecg, task}, ofEcg},
		"message, focus on a Task":               {"message", []string{header("Task/t"), patient, echo, task}, summary{"Task", "Patient", "Do", "asap", "2026-11-22"}},
		"message, focus on something else":       {"message", []string{header("Patient/p"), patient, echo}, summary{"ServiceRequest", "Patient", "Echo", "stat", "2026"}},
		"message, focus elsewhere":               {"message", []string{header("ServiceRequest/9"), patient, group, task, report}, summary{"Task", "Patient", "Do", "asap", "2026-11-22"}},
		"message, focus on a report":             {"message", []string{header("DiagnosticReport/r"), patient, letter, report}, summary{"DiagnosticReport", "Patient", "Histology", "", "2026-11-22T09:00:00.125+11:00"}},
		"document, request in a section":         {"document", []string{discharge, patient, echo, ecg}, ofEcg},
		"document, request in no section":        {"document", []string{discharge, patient, echo}, summary{"ServiceRequest", "Patient", "Echo", "stat", "2026"}},
		"document":                               {"document", []string{discharge, second, patient, task}, summary{"Composition", "Patient", "Discharge summary", "", "2026-11-22"}},
		"collection of a group and its Task":     {"collection", []string{second, group, task, patient}, summary{"Task", "Patient", "Do", "asap", "2026-11-22"}},
		"collection of a group":                  {"collection", []string{patient, message, group}, summary{"Task", "Patient", "Group", "", ""}},
		"collection of a communication request":  {"collection", []string{patient, report, message}, summary{"CommunicationRequest", "Patient", "Copy", "urgent", "2026-11-22T09:00:00Z"}},
		"collection of a report":                 {"collection", []string{patient, letter, report}, summary{"DiagnosticReport", "Patient", "Histology", "", "2026-11-22T09:00:00.125+11:00"}},
		"collection of a letter":                 {"collection", []string{patient, letter}, summary{"DocumentReference", "Patient", "Letter", "", "2026-11-22T09:00:00Z"}},
		"collection of Patients":                 {"collection", []string{patient, second}, summary{"", "Patient", "", "", ""}},
		"nothing to tell":                        {"collection", []string{`{"resourceType":"Basic","id":"b","code":{"text":"x"}}`}, summary{}},
		"a Patient that is elsewhere":            {"collection", []string{strings.ReplaceAll(letter, "Patient/p", "http://elsewhere.example/Patient/p")}, summary{"DocumentReference", "http:", "Letter", "", "2026-11-22T09:00:00Z"}},
		"a subject that is no Patient":           {"collection", []string{strings.ReplaceAll(letter, "Patient/p", "Group/p")}, summary{"DocumentReference", "", "Letter", "", "2026-11-22T09:00:00Z"}},
		"a subject that is contained":            {"collection", []string{strings.ReplaceAll(letter, "Patient/p", "#p")}, summary{"DocumentReference", "", "Letter", "", "2026-11-22T09:00:00Z"}},
		"long words":                             {"collection", []string{strings.ReplaceAll(letter, "Letter", long)}, summary{"DocumentReference", "Patient", long[:500] + "…", "", "2026-11-22T09:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, summarized(t, f, bundleOf(t, test.bundleType, test.entries))); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

func bundleOf(t testing.TB, bundleType string, resources []string) string {
	t.Helper()
	var entries []string
	for _, resource := range resources {
		var r struct{ ResourceType, ID string }
		if err := json.Unmarshal([]byte(resource), &r); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, `{"fullUrl":"http://example.org/fhir/`+r.ResourceType+`/`+r.ID+`","resource":`+resource+`}`)
	}
	return `{"resourceType":"Bundle","type":"` + bundleType + `","entry":[` + strings.Join(entries, ",") + `]}`
}
