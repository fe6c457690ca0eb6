package processor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const hpioOfRecipient = `{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"` + recipient + `"}`

// serviceRequest is one that is addressed to the recipient; more are members, each behind a comma.
func serviceRequest(subject, more string) string {
	return `{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"text":"c"},"subject":{"reference":"` + subject +
		`"},"performer":[{"identifier":` + hpioOfRecipient + `}]` + more + `}`
}

// ownedTask is a Task that the recipient owns.
func ownedTask(subject string) string {
	return `{"resourceType":"Task","status":"requested","intent":"order","for":{"reference":"` + subject + `"},"owner":{"identifier":` + hpioOfRecipient + `}}`
}

// readersOf are those of a resource.
func readersOf(t *testing.T, f *fixture, id string) string {
	t.Helper()
	return value[string](t, f, `select array_to_string(readers, ' ') from resource where id = $1::uuid`, id)
}

// TestOrderOfDeliveryDoesNotDecideWhatIsShared: what a request refers to may be delivered after it; until it is there, or
// cannot come any more, the request waits.
func TestOrderOfDeliveryDoesNotDecideWhatIsShared(t *testing.T) {
	for _, test := range []struct {
		name  string
		first int // of those delivered, the one that is the request
		late  time.Duration
		want  string
	}{
		{"the document first", 1, 10 * time.Second, recipient},
		{"the request first", 0, 10 * time.Second, recipient},
		{"the document too late", 0, 10 * time.Minute, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.Now = func() time.Time { return acceptedAt.Add(test.late) }
			_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "p")))
			patientID := idOf(created[0])
			document := f.write(1, "POST", "DocumentReference", `{"resourceType":"DocumentReference","status":"current","content":[{"attachment":{"title":"x"}}]}`)
			id := f.keys.ResourceID(sender, f.keys.Digest(document.Request), document.AcceptedAt, 0).String()
			request := f.write(2, "POST", "ServiceRequest", serviceRequest("Patient/"+patientID, `,"supportingInfo":[{"reference":"DocumentReference/`+id+`"}]`))
			if test.first == 0 {
				if state, err := f.Settle(t.Context(), request, 1); (err != nil) != (test.want != "") {
					t.Errorf("the request before the document: got %q, %v", state, err)
				}
			}
			f.settle(t, document)
			if state, err := f.Settle(t.Context(), request, 2); err != nil || state != referral.Completed && test.want != "" {
				t.Errorf("the request after the document: got %q, %v", state, err)
			}
			if got := readersOf(t, f, id); got != test.want {
				t.Errorf("the document is read by %q, want %q", got, test.want)
			}
		})
	}
}

// TestOwnerAddsLinksToItsOwn: the sender's next update shares what its Task leads to, so that an owner who could lead it
// anywhere would read all of the sender's, and so would whoever else reads the Task. What there is not, and what is not the
// owner's, are refused in the same words.
func TestOwnerAddsLinksToItsOwn(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "unshared")))
	unshared := idOf(created[0])
	_, created = f.settle(t, f.transaction(1, "transaction", entry("POST", "Patient", subject, patient("", "a"), ""), entry("POST", "Task", "", ownedTask(subject), "")))
	shared, task := idOf(created[0]), idOf(created[1])
	_, created = f.settle(t, f.by(recipient, f.write(2, "POST", "Observation", observation("x"))))
	result := idOf(created[0])
	_, created = f.settle(t, f.transaction(20, "transaction", entry("POST", "Patient", subject, patient("", "b"), ""), entry("POST", "ServiceRequest", "", serviceRequest(subject, ""), "")))
	elsewhere := idOf(created[0]) // shared with the owner by another request
	link := func(reference string) string {
		return `[{"op":"add","path":"/output","value":[{"type":{"text":"x"},"valueReference":{"reference":"` + reference + `"}}]}]`
	}
	refusals := map[string]bool{}
	for n, test := range []struct {
		org, patch string
		want       int
	}{
		{recipient, link("Patient/" + unshared), 403},
		{recipient, link("Patient/0197a000-0000-7000-8000-000000000000"), 403},
		{recipient, link("Patient/" + unshared + "/_history/1"), 403},
		{recipient, link("Patient/" + unshared + "#x"), 403},
		{recipient, `[{"op":"add","path":"/note","value":[{"text":"x","extension":[{"url":"urn:x","valueAttachment":{"url":"Patient/` + unshared + `"}}]}]}]`, 403},
		{recipient, link("Patient/" + elsewhere), 403},
		{recipient, link("Patient/" + shared), 200}, // the Task leads to it already
		{recipient, link("Observation/" + result), 200},
		{recipient, link("https://elsewhere.example/fhir/Patient/" + unshared), 200},
		{sender, `[{"op":"replace","path":"/status","value":"completed"}]`, 200},
		{sender, link("Patient/" + shared), 200},
	} {
		_, got := f.settle(t, f.by(test.org, f.write(3+n, "PATCH", "Task/"+task, test.patch)))
		if got[0].Status != test.want {
			t.Errorf("%s: got %d %s, want %d", test.patch, got[0].Status, got[0].Outcome, test.want)
		}
		if test.want == 403 && strings.Contains(test.patch, "output") {
			refusals[string(got[0].Outcome)] = true
		}
	}
	if len(refusals) != 1 || !strings.Contains(firstOf(refusals), `"Task.output[0].valueReference.reference"`) {
		t.Errorf("got %d outcomes, want one, with its expression: %s", len(refusals), firstOf(refusals))
	}
	if got := readersOf(t, f, unshared); got != "" {
		t.Errorf("what the sender has never shared is read by %s", got)
	}
}

func firstOf(set map[string]bool) string {
	for s := range set {
		return s
	}
	return ""
}

// TestWhatOthersWroteSharesNothing: one's own resource that only another's leads to stays one's own, also where one updates
// the other's Task in the same transaction.
func TestWhatOthersWroteSharesNothing(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.by(recipient, f.write(0, "POST", "Patient", patient("", "own"))))
	own := idOf(created[0])
	task := strings.Replace(ownedTask(subject), `"intent"`, `"input":[{"type":{"text":"x"},"valueReference":{"reference":"Patient/`+own+`"}}],"intent"`, 1)
	_, created = f.settle(t, f.transaction(1, "transaction", entry("POST", "Patient", subject, patient("", "a"), ""), entry("POST", "Task", "", task, "")))
	patientID, id := idOf(created[0]), idOf(created[1])
	toSender := strings.Replace(serviceRequest("Patient/"+patientID, `,"supportingInfo":[{"reference":"Task/`+id+`"}]`), recipient, sender, 1)
	update := strings.ReplaceAll(strings.Replace(task, `"status"`, `"id":"`+id+`","status"`, 1), subject, "Patient/"+patientID)
	for n, entries := range [][]string{
		{entry("POST", "ServiceRequest", "", toSender, "")},
		{entry("PUT", "Task/"+id, "", strings.Replace(update, "requested", "accepted", 1), ""), entry("POST", "ServiceRequest", "", toSender, "")},
	} {
		_, got := f.settle(t, f.by(recipient, f.transaction(2+n, "transaction", entries...)))
		if diff := cmp.Diff([]int{200, 201}[2-len(entries):], statuses(got)); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, got[0].Outcome)
		}
		if got := readersOf(t, f, own); got != "" {
			t.Errorf("%d entries: what its sender has not shared is read by %s", len(entries), got)
		}
	}
}

// TestResultOfTheOwnerIsTheSenders: what the owner of a Task adds to it of its own is read by whose Task it is, with all
// that this reaches, whether it is stored before or sent along; nothing else of the owner's is.
func TestResultOfTheOwnerIsTheSenders(t *testing.T) {
	output := func(reference string) string {
		return `[{"op":"add","path":"/output","value":[{"type":{"text":"x"},"valueReference":{"reference":"` + reference + `"}}]}]`
	}
	newTask := func(t *testing.T, f *fixture) (task, of string) {
		t.Helper()
		_, created := f.settle(t, f.transaction(1, "transaction", entry("POST", "Patient", subject, patient("", "a"), ""), entry("POST", "Task", "", ownedTask(subject), "")))
		return idOf(created[1]), idOf(created[0])
	}
	t.Run("stored", func(t *testing.T) {
		f := newFixture(t)
		task, _ := newTask(t, f)
		_, created := f.settle(t, f.by(recipient, f.write(2, "POST", "Patient", patient("", "theirs"))))
		of := idOf(created[0])
		_, created = f.settle(t, f.by(recipient, f.write(3, "POST", "DiagnosticReport", `{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/`+of+`"}}`)))
		report := idOf(created[0])
		_, created = f.settle(t, f.by(recipient, f.write(4, "POST", "Observation", observation("y"))))
		other := idOf(created[0])
		if state, answers := f.settle(t, f.by(recipient, f.write(5, "PATCH", "Task/"+task, output("DiagnosticReport/"+report)))); state != referral.Completed {
			t.Fatalf("got %s, %v", state, answers)
		}
		got := []string{readersOf(t, f, report), readersOf(t, f, of), readersOf(t, f, other), readersOf(t, f, task)}
		if diff := cmp.Diff([]string{sender, sender, "", recipient}, got); diff != "" {
			t.Errorf("readers of report, its patient, another, the Task (-want +got):\n%s", diff)
		}
	})
	t.Run("written otherwise", func(t *testing.T) { // JSON has several forms of a string
		f := newFixture(t)
		task, _ := newTask(t, f)
		_, created := f.settle(t, f.by(recipient, f.write(2, "POST", "DiagnosticReport", `{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"}}`)))
		report := idOf(created[0])
		if state, answers := f.settle(t, f.by(recipient, f.write(3, "PATCH", "Task/"+task, output(`DiagnosticReport\u002f`+report)))); state != referral.Completed {
			t.Fatalf("got %s, %s", state, answers[0].Outcome)
		}
		if got := readersOf(t, f, report); got != sender {
			t.Errorf("the report is read by %q, want %q", got, sender)
		}
	})
	t.Run("sent along", func(t *testing.T) {
		f := newFixture(t)
		task, of := newTask(t, f)
		const report = "urn:uuid:6f1d3f0a-0000-4000-8000-000000000001"
		update := strings.Replace(ownedTask("Patient/"+of), `"status"`, `"id":"`+task+`","output":[{"type":{"text":"x"},"valueReference":{"reference":"`+report+`"}}],"status"`, 1)
		state, created := f.settle(t, f.by(recipient, f.transaction(2, "transaction",
			entry("POST", "DiagnosticReport", report, `{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"}}`, ""),
			entry("PUT", "Task/"+task, "", update, ""))))
		if state != referral.Completed {
			t.Fatalf("got %s, %s", state, created[0].Outcome)
		}
		if got := readersOf(t, f, idOf(created[0])); got != sender {
			t.Errorf("the report is read by %q, want %q", got, sender)
		}
	})
}
