package processor_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestOwnerMeetsItself: a laboratory takes a Task up and says how it stands before the first is settled. The second waits
// for the first, and is not told that there is no Task.
func TestOwnerMeetsItself(t *testing.T) {
	f := newFixture(t)
	_, _, _, task := f.order(t)
	second := f.filling(laboratory, f.write(2, "PATCH", "Task/"+task, `[{"op":"replace","path":"/status","value":"in-progress"}]`))
	var both sync.WaitGroup
	state, got := f.interleaved(t, f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))), func() {
		both.Go(func() {
			if _, err := f.Settle(t.Context(), second, 1); err != nil {
				t.Error(err)
			}
		})
		f.waitForLock(t)
	})
	both.Wait()
	if state != referral.Completed {
		t.Fatalf("got %s: %s", state, got[0].Outcome)
	}
	if got := f.answers(t, second); got[0].Status != 200 {
		t.Errorf("got %d %s, want 200", got[0].Status, got[0].Outcome)
	}
}

// TestFillIsForWhatIsLeftOpen: a Task without an owner that is found by no group, or that asks for what is asked of somebody,
// is answered as one that is not there. The first is the control: nothing but that tells it from the others.
func TestFillIsForWhatIsLeftOpen(t *testing.T) {
	const request, group = "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-0000000000a2", `"groupIdentifier":{"system":"urn:group","value":"g"},`
	f := newFixture(t)
	_, want := f.settle(t, f.filling(laboratory, f.write(0, "PATCH", "Task/0197a000-0000-7000-8000-000000000000", claim(laboratory))))
	for n, test := range []struct {
		name, performer, group string
		open                   bool
	}{
		{"left open", "", group, true},
		{"of no group", "", "", false},
		{"of a group without a system", "", `"groupIdentifier":{"value":"g"},`, false},
		{"of a group without a value", "", `"groupIdentifier":{"system":"urn:group"},`, false},
		{"asked of another", `,"performer":[{"identifier":` + strings.Replace(hpioOfRecipient, recipient, rival, 1) + `}]`, group, false},
		{"asked of who takes it", `,"performer":[{"identifier":` + hpioOfRecipient + `}]`, group, false},
		{"asked of nobody known", `,"performer":[{"display":"x"}]`, group, false},
	} {
		_, created := f.settle(t, f.transaction(1+2*n, "transaction",
			entry("POST", "Patient", subject, patient("", "p"), ""),
			entry("POST", "ServiceRequest", request, `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"`+subject+`"}`+test.performer+`}`, ""),
			entry("POST", "Task", "", `{"resourceType":"Task","status":"requested","intent":"order",`+test.group+`"focus":{"reference":"`+request+`"}}`, "")))
		task := idOf(created[2])
		_, got := f.settle(t, f.filling(laboratory, f.write(2+2*n, "PATCH", "Task/"+task, claim(laboratory))))
		if test.open && got[0].Status != 200 {
			t.Errorf("%s: got %d %s, want 200", test.name, got[0].Status, got[0].Outcome)
		}
		if diff := cmp.Diff(want, got); !test.open && diff != "" {
			t.Errorf("%s (-of an absent Task +of a closed one):\n%s", test.name, diff)
		}
		if owner := value[string](t, f, `select coalesce(owner, '') from resource where id = $1::uuid`, task); (owner == laboratory) != test.open {
			t.Errorf("%s: the owner is %q", test.name, owner)
		}
	}
}

// TestFillMeetsAPerformer: while a Task is taken up, its sender asks somebody.
func TestFillMeetsAPerformer(t *testing.T) {
	f := newFixture(t)
	patientID, _, requestID, task := f.order(t)
	state, got := f.interleaved(t, f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))), func() {
		f.settle(t, f.write(2, "PUT", "ServiceRequest/"+requestID, `{"resourceType":"ServiceRequest","id":"`+requestID+`","status":"active","intent":"order","code":{"text":"c"},"subject":{"reference":"Patient/`+patientID+`"},"performer":[{"identifier":`+strings.Replace(hpioOfRecipient, recipient, rival, 1)+`}]}`))
	})
	if state != referral.Rejected || got[0].Status != 404 {
		t.Errorf("got %s and %d %s, want 404", state, got[0].Status, got[0].Outcome)
	}
	if got := readersOf(t, f, patientID); got != rival {
		t.Errorf("the Patient is read by %q, want who is asked, %s", got, rival)
	}
}

// TestFillTellsNothingByPatches: whatever a patch of an open Task holds against what is there, who does not become its owner is told
// what is told of a Task that is not there.
func TestFillTellsNothingByPatches(t *testing.T) {
	f := newFixture(t)
	patientID, _, _, task := f.order(t)
	const absent = "0197a000-0000-7000-8000-000000000000"
	for n, test := range []struct {
		body       string
		conditions []string
	}{
		{`[{"op":"test","path":"/for/reference","value":"Patient/` + patientID + `"}]`, nil},
		{`[{"op":"test","path":"/for/reference","value":"Patient/x"}]`, nil},
		{`[{"op":"remove","path":"/focus"},{"op":"remove","path":"/focus"}]`, nil},
		{`[{"op":"remove","path":"/intent"}]`, nil},
		{`[{"op":"replace","path":"/status","value":"accepted"}]`, []string{`W/"9"`}},
		{`[{"op":"test","path":"/for/reference","value":"Patient/x"},` + claim(laboratory)[1:], nil},
	} {
		_, want := f.settle(t, f.filling(laboratory, f.write(2*n+1, "PATCH", "Task/"+absent, test.body, test.conditions...)))
		_, got := f.settle(t, f.filling(laboratory, f.write(2*n+2, "PATCH", "Task/"+task, test.body, test.conditions...)))
		if diff := cmp.Diff(want[0], got[0]); diff != "" {
			t.Errorf("%s (-of an absent Task +of an open one):\n%s", test.body, diff)
		}
	}
}

// TestFillTellsNothingByOtherEntries: an entry that fails to take an open Task up lets no other entry see the Task.
func TestFillTellsNothingByOtherEntries(t *testing.T) {
	f := newFixture(t)
	_, _, _, task := f.order(t)
	const absent = "0197a000-0000-7000-8000-000000000000"
	ask := func(n int, id string) []referral.Answer {
		put := `{"resourceType":"Task","id":"` + id + `","status":"accepted","intent":"order"}`
		_, got := f.settle(t, f.filling(laboratory, f.transaction(n, "batch",
			entry("PUT", "Task/"+id, "", put, ""),
			`{"request":{"method":"GET","url":"Task/`+id+`"}}`,
			entry("POST", "Task", "", `{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"Task/`+id+`"}}`, ""))))
		return got
	}
	want, got := ask(1, absent), ask(2, task)
	for i := range want {
		if want[i].Status != got[i].Status {
			t.Errorf("entry %d: got %d %s, want %d as of an absent Task", i, got[i].Status, got[i].Version, want[i].Status)
		}
	}
}

// TestFillByAConditionalOwner: the owner may be named by its identifier on this server.
func TestFillByAConditionalOwner(t *testing.T) {
	f := newFixture(t)
	_, _, _, task := f.order(t)
	f.settle(t, f.by(laboratory, f.write(1, "POST", "Organization", `{"resourceType":"Organization","identifier":[`+hpioOfRecipient+`]}`)))
	patientID, requestID := value[string](t, f, `select id::text from resource where type = 'Patient'`), value[string](t, f, `select id::text from resource where type = 'ServiceRequest'`)
	owned := strings.Replace(open("Patient/"+patientID, "ServiceRequest/"+requestID, `,"id":"`+task+`","owner":{"reference":"Organization?identifier=`+recipient+`"}`), "requested", "accepted", 1)
	if _, got := f.settle(t, f.filling(laboratory, f.write(2, "PUT", "Task/"+task, owned))); got[0].Status != 200 {
		t.Errorf("got %d %s, want 200", got[0].Status, got[0].Outcome)
	}
}

// TestSenderDoesNotTakeBackUnawares: the sender's next version of a Task that was taken up meanwhile.
func TestSenderDoesNotTakeBackUnawares(t *testing.T) {
	f := newFixture(t)
	patientID, _, requestID, task := f.order(t)
	f.settle(t, f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))))
	again := open("Patient/"+patientID, "ServiceRequest/"+requestID, `,"id":"`+task+`"`)
	if _, got := f.settle(t, f.write(2, "PUT", "Task/"+task, again)); got[0].Status != 409 {
		t.Errorf("without the owner: got %d %s, want 409", got[0].Status, got[0].Outcome)
	}
	_, got := f.settle(t, f.filling(rival, f.write(3, "PATCH", "Task/"+task, claim(rival))))
	if got[0].Status == 200 {
		t.Errorf("two laboratories have taken up the Task: %s", value[string](t, f, `select concat_ws(' ', version, owner, claimed, readers) from resource where id = $1::uuid`, task))
	}
	if _, got := f.settle(t, f.write(4, "PUT", "Task/"+task, again, `W/"2"`)); got[0].Status != 200 {
		t.Errorf("of the version with the owner: got %d %s, want 200", got[0].Status, got[0].Outcome)
	}
}
