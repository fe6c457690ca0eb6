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
