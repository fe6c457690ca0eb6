package processor_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

const laboratory, rival = recipient, "8003629900040359"

// filling is m by a client of org that has the scope fill.
func (f *fixture) filling(org string, m *queue.Message) *queue.Message {
	m = f.by(org, m)
	m.AllowFill(f.keys)
	return m
}

// open is a Task that is left to whoever the patient chooses; more are members, each behind a comma.
func open(subject, focus, more string) string {
	return `{"resourceType":"Task"` + more + `,"status":"requested","intent":"order","groupIdentifier":{"system":"urn:group","value":"g"},` +
		`"focus":{"reference":"` + focus + `"},"for":{"reference":"` + subject + `"}}`
}

// order is one of the sender's to nobody in particular: the ids of its Patient, Organization, ServiceRequest and Task.
func (f *fixture) order(t *testing.T) (patientID, organizationID, requestID, task string) {
	t.Helper()
	const organization, request = "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000a1", "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000a2"
	_, created := f.settle(t, f.transaction(0, "transaction",
		entry("POST", "Patient", subject, strings.Replace(patient("", "p"), `"name"`, `"managingOrganization":{"reference":"`+organization+`"},"name"`, 1), ""),
		entry("POST", "Organization", organization, `{"resourceType":"Organization","name":"x"}`, ""),
		entry("POST", "ServiceRequest", request, `{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"text":"c"},"subject":{"reference":"`+subject+`"}}`, ""),
		entry("POST", "Task", "", open(subject, request, ""), "")))
	return idOf(created[0]), idOf(created[1]), idOf(created[2]), idOf(created[3])
}

// claim is a patch that makes org the owner.
func claim(org string) string {
	return `[{"op":"replace","path":"/status","value":"accepted"},{"op":"add","path":"/owner","value":{"identifier":` + strings.Replace(hpioOfRecipient, recipient, org, 1) + `}}]`
}

// TestFill: who has the scope becomes the owner of an open Task, once, and reads from then on what the Task reaches.
// Whoever has not, or asks for anything else of the Task, is told what is told of a Task that is not there.
func TestFill(t *testing.T) {
	f := newFixture(t)
	patientID, organizationID, requestID, task := f.order(t)
	const absent = "0197a000-0000-7000-8000-000000000000"
	owned := func(org string) string {
		return strings.Replace(open("Patient/"+patientID, "ServiceRequest/"+requestID, `,"id":"`+task+`","owner":{"identifier":`+strings.Replace(hpioOfRecipient, recipient, org, 1)+`}`), "requested", "accepted", 1)
	}
	without := strings.Replace(owned("nobody"), recipient, "nobody", 1)
	n := 0
	try := func(org string, fills bool, method, body string, conditions ...string) referral.Answer {
		n++
		m := f.write(n, method, "Task/"+task, body, conditions...)
		if fills {
			m = f.filling(org, m)
		} else {
			m = f.by(org, m)
		}
		_, got := f.settle(t, m)
		return got[0]
	}
	told := map[string]referral.Answer{}
	for method, body := range map[string]string{"PUT": open("Patient/x", "ServiceRequest/x", `,"id":"`+absent+`"`), "PATCH": claim(laboratory)} {
		_, got := f.settle(t, f.filling(laboratory, f.write(100, method, "Task/"+absent, body)))
		told[method] = got[0]
	}
	for name, test := range map[string]struct {
		fills        bool
		method, body string
		conditions   []string
	}{
		"without the scope":               {false, "PATCH", claim(laboratory), nil},
		"whole, without the scope":        {false, "PUT", owned(laboratory), nil},
		"for another":                     {true, "PATCH", claim(rival), nil},
		"whole, for another":              {true, "PUT", owned(rival), nil},
		"for nobody known":                {true, "PUT", without, nil},
		"nothing of the owner":            {true, "PATCH", `[{"op":"replace","path":"/status","value":"accepted"}]`, nil},
		"for another, of a version":       {true, "PUT", owned(rival), []string{`W/"9"`}},
		"without the scope, of a version": {false, "PATCH", claim(laboratory), []string{`W/"9"`}},
	} {
		if diff := cmp.Diff(told[test.method], try(laboratory, test.fills, test.method, test.body, test.conditions...)); diff != "" {
			t.Errorf("%s (-of an absent Task +of an open one):\n%s", name, diff)
		}
	}
	for name, test := range map[string]struct {
		body string
		want int
	}{
		"another's resource":     {strings.Replace(claim(laboratory), `{"identifier"`, `{"reference":"Organization/`+organizationID+`","identifier"`, 1), 403},
		"with another group":     {`[{"op":"remove","path":"/groupIdentifier"},` + claim(laboratory)[1:], 403},
		"and does what is wrong": {`[{"op":"remove","path":"/intent"},` + claim(laboratory)[1:], 422},
	} {
		if got := try(laboratory, true, "PATCH", test.body); got.Status != test.want {
			t.Errorf("%s: got %d %s, want %d", name, got.Status, got.Outcome, test.want)
		}
	}
	if got := try(laboratory, true, "DELETE", ""); got.Status != 204 {
		t.Errorf("a deletion: got %d, want 204, as of what is not there", got.Status)
	}
	if got := value[int64](t, f, `select count(*) from resource where org = $1 and readers = '{}' and version = 1 and not claimed`, sender); got != 4 {
		t.Fatalf("%d of the sender's resources are as they were, want 4", got)
	}

	if got := try(laboratory, true, "PUT", owned(laboratory), `W/"1"`); got.Status != 200 {
		t.Fatalf("got %d %s, want 200", got.Status, got.Outcome)
	}
	for name, id := range map[string]string{"Task": task, "Patient": patientID, "ServiceRequest": requestID, "Organization": organizationID} {
		if got := readersOf(t, f, id); got != laboratory {
			t.Errorf("the %s is read by %q, want %s", name, got, laboratory)
		}
		if got := value[int64](t, f, `select count(*) from idx i join resource r on r.id = $1::uuid and i.vid = r.vid >> 10 << 10 where i.h = $2`, id, search.ListHash(laboratory)); got != 1 {
			t.Errorf("the %s is listed %d times for the owner, want once", name, got)
		}
	}
	if got := value[string](t, f, `select concat_ws(' ', org, owner, version, claimed) from resource where id = $1::uuid`, task); got != sender+" "+laboratory+" 2 t" {
		t.Errorf("got a Task %s, want the sender's, with its owner, in version 2", got)
	}
	if got := value[string](t, f, `select concat_ws(' ', org, version, array_to_string(readers, ' ')) from history where id = $1::uuid`, task); got != sender+" 1 " {
		t.Errorf("got a history of %s, want version 1, read by its sender alone", got)
	}
	if got := try(rival, true, "PATCH", claim(rival)); got.Status != 409 || !strings.Contains(string(got.Outcome), "task-taken") {
		t.Errorf("another laboratory: got %d %s, want 409", got.Status, got.Outcome)
	}
	if got := try(rival, false, "PATCH", claim(rival)); got.Status != 404 {
		t.Errorf("another laboratory without the scope: got %d %s, want 404", got.Status, got.Outcome)
	}
	if got := try(laboratory, false, "PATCH", `[{"op":"replace","path":"/status","value":"completed"}]`); got.Status != 200 {
		t.Errorf("the owner, how it stands: got %d %s, want 200", got.Status, got.Outcome)
	}
}

// TestFillWhatIsNotOpen: a Task with an owner, be it none that is known here, or one that has ended, is nobody's to take.
func TestFillWhatIsNotOpen(t *testing.T) {
	for name, test := range map[string]struct {
		task string
		want int
	}{
		"owned by another":        {ownedTask("Patient/x"), 404},
		"owned by who is unknown": {strings.Replace(ownedTask("Patient/x"), hpioOfRecipient, `{"value":"1"}`, 1), 404},
		"cancelled":               {`{"resourceType":"Task","status":"cancelled","intent":"order","groupIdentifier":{"system":"urn:group","value":"g"}}`, 409},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, created := f.settle(t, f.write(0, "POST", "Task", strings.Replace(test.task, `"for":{"reference":"Patient/x"},`, "", 1)))
			_, got := f.settle(t, f.filling(rival, f.write(1, "PATCH", "Task/"+idOf(created[0]), claim(rival))))
			if got[0].Status != test.want {
				t.Errorf("got %d %s, want %d", got[0].Status, got[0].Outcome, test.want)
			}
		})
	}
}

// TestFillAGroup takes up the Tasks of a group at once, with an Organization of the laboratory's own, and all or none.
func TestFillAGroup(t *testing.T) {
	f := newFixture(t)
	group := "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000b1"
	const (
		subjectID  = "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000b2"
		identifier = `"groupIdentifier":{"system":"urn:group","value":"g"}`
	)
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Task", group, `{"resourceType":"Task","status":"requested","intent":"order",`+identifier+`}`, ""),
		entry("POST", "Patient", subjectID, patient("", "p"), ""),
		entry("POST", "Task", "", `{"resourceType":"Task","status":"requested","intent":"order",`+identifier+`,"partOf":[{"reference":"`+group+`"}],"for":{"reference":"`+subjectID+`"}}`, "")))
	parent, patientID, child := idOf(created[0]), idOf(created[1]), idOf(created[2])
	const organization = "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000b3"
	owner := `"owner":{"reference":"` + organization + `"}`
	take := func(n int, status string) []referral.Answer {
		_, got := f.settle(t, f.filling(laboratory, f.transaction(n, "transaction",
			entry("POST", "Organization", organization, `{"resourceType":"Organization","identifier":[`+hpioOfRecipient+`]}`, ""),
			entry("PUT", "Task/"+parent, "", `{"resourceType":"Task","id":"`+parent+`","status":"accepted","intent":"order",`+identifier+`,`+owner+`}`, ""),
			entry("PUT", "Task/"+child, "", `{"resourceType":"Task","id":"`+child+`","status":"`+status+`","intent":"order",`+identifier+`,"partOf":[{"reference":"Task/`+parent+`"}],"for":{"reference":"Patient/`+patientID+`"},`+owner+`}`, ""))))
		return got
	}
	if got := take(1, "requested"); len(got) != 3 {
		t.Fatalf("got %d %s", got[0].Status, got[0].Outcome)
	}
	if got := value[string](t, f, `select string_agg(distinct owner, ' ') from resource where type = 'Task' and claimed`); got != laboratory {
		t.Errorf("got owners %s, want %s", got, laboratory)
	}
	if got := readersOf(t, f, patientID); got != laboratory {
		t.Errorf("the Patient is read by %q, want %s", got, laboratory)
	}
	if got := value[string](t, f, `select array_to_string(readers, ' ') from resource where type = 'Organization'`); got != sender {
		t.Errorf("the owner's Organization is read by %q, want the sender", got)
	}
}

// TestOneOfTwoFills: of two laboratories at once one becomes the owner, and the other is told so.
func TestOneOfTwoFills(t *testing.T) {
	for range 5 {
		f := newFixture(t)
		patientID, _, _, task := f.order(t)
		messages := []*queue.Message{
			f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))),
			f.filling(rival, f.write(1, "PATCH", "Task/"+task, claim(rival))),
		}
		var wait sync.WaitGroup
		for _, m := range messages {
			wait.Go(func() {
				if _, err := f.Settle(t.Context(), m, 1); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		var got []int
		for _, m := range messages {
			got = append(got, f.answers(t, m)[0].Status)
		}
		winner := laboratory
		if got[0] != 200 {
			winner = rival
		}
		if got[0]+got[1] != 200+409 {
			t.Fatalf("got %v, want 200 and 409", got)
		}
		if owner := value[string](t, f, `select owner || ' ' || version from resource where type = 'Task'`); owner != winner+" 2" {
			t.Errorf("got %s, want the owner %s in version 2", owner, winner)
		}
		if got := readersOf(t, f, patientID); got != winner {
			t.Errorf("the Patient is read by %q, want the owner %s", got, winner)
		}
	}
}

// TestFillMeetsAnUpdate: a Task is taken up while what it leads to gets another version that leads further.
func TestFillMeetsAnUpdate(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(50, "POST", "Patient", patient("", "further")))
	further := idOf(created[0])
	patientID, _, requestID, task := f.order(t)
	state, got := f.interleaved(t, f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))), func() {
		f.settle(t, f.write(2, "PUT", "ServiceRequest/"+requestID, `{"resourceType":"ServiceRequest","id":"`+requestID+`","status":"active","intent":"order","code":{"text":"c"},"subject":{"reference":"Patient/`+patientID+`"},"supportingInfo":[{"reference":"Patient/`+further+`"}]}`))
	})
	if state != referral.Completed {
		t.Fatalf("got %s: %s", state, got[0].Outcome)
	}
	if got := readersOf(t, f, further); got != laboratory {
		t.Errorf("what the next version refers to is read by %q, want %s", got, laboratory)
	}
}

// TestFillWaitsForWhatIsUnderWay: what the sender's request refers to may be delivered after the Task is taken up.
func TestFillWaitsForWhatIsUnderWay(t *testing.T) {
	f := newFixture(t)
	f.Now = func() time.Time { return acceptedAt.Add(10 * time.Second) }
	late := f.write(1, "POST", "Patient", patient("", "late"))
	id := f.keys.ResourceID(sender, f.keys.Digest(late.Request), late.AcceptedAt, 0).String()
	_, created := f.settle(t, f.write(0, "POST", "Task", `{"resourceType":"Task","status":"requested","intent":"order","groupIdentifier":{"system":"urn:group","value":"g"},"input":[{"type":{"text":"x"},"valueReference":{"reference":"Patient/`+id+`"}}]}`))
	m := f.filling(laboratory, f.write(2, "PATCH", "Task/"+idOf(created[0]), claim(laboratory)))
	if state, err := f.Settle(t.Context(), m, 1); err == nil {
		t.Fatalf("before the Patient: got %s, want an error", state)
	}
	f.settle(t, late)
	if _, got := f.settle(t, m); got[0].Status != 200 {
		t.Fatalf("after the Patient: got %d %s", got[0].Status, got[0].Outcome)
	}
	if got := readersOf(t, f, id); got != laboratory {
		t.Errorf("the Patient is read by %q, want %s", got, laboratory)
	}
}
