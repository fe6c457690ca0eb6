package processor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestScopeIsNoPartOfTheSubmission: a request that is sent again after its client got the scope fill, or lost it, is the
// submission that it was, and ends as that did.
func TestScopeIsNoPartOfTheSubmission(t *testing.T) {
	for name, test := range map[string]struct {
		before, after bool
		state         referral.State
		status        int
	}{
		"got the scope":  {false, true, referral.Rejected, 404},
		"lost the scope": {true, false, referral.Completed, 200},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, _, _, task := f.order(t)
			sent := func(ms int, fills bool) *queue.Message {
				m := f.write(1, "PATCH", "Task/"+task, claim(laboratory))
				m.Request.KeyKind, m.AcceptedAt = referral.KeyHeader, m.AcceptedAt.Add(time.Duration(ms)*time.Millisecond)
				if fills {
					return f.filling(laboratory, m)
				}
				return f.by(laboratory, m)
			}
			state, first := f.settle(t, sent(0, test.before))
			if state != test.state || first[0].Status != test.status {
				t.Fatalf("got %s and %d %s, want %s and %d", state, first[0].Status, first[0].Outcome, test.state, test.status)
			}
			state, again := f.settle(t, sent(1000, test.after))
			if state != processor.Known {
				t.Errorf("sent again it is %s, want known", state)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("the answer (-first +again):\n%s", diff)
			}
			if got := value[int64](t, f, `select count(*) from submission where org = $1`, laboratory); got != 1 {
				t.Errorf("got %d submissions, want 1", got)
			}
		})
	}
}

// TestFillIsNotSwitchedOn by who can write to the queue: only the proof that ingest made for this very message lets it become
// the owner. The last message is the control: it has that proof and nothing else that the others have not.
func TestFillIsNotSwitchedOn(t *testing.T) {
	f := newFixture(t)
	_, _, _, task := f.order(t)
	other, err := referral.NewKeys([]byte(strings.Repeat("k", 32)), []byte(strings.Repeat("m", 32)))
	if err != nil {
		t.Fatal(err)
	}
	message := func() *queue.Message { return f.by(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory))) }
	for name, change := range map[string]func(*queue.Message){
		"empty":     func(m *queue.Message) { m.Fill = []byte{} },
		"zeros":     func(m *queue.Message) { m.Fill = make([]byte, 16) },
		"elsewhere": func(m *queue.Message) { m.AllowFill(other) },
		"of another message": func(m *queue.Message) {
			m.Fill = f.filling(laboratory, f.write(2, "PATCH", "Task/"+task, claim(laboratory))).Fill
		},
		"of another time": func(m *queue.Message) {
			later := f.write(1, "PATCH", "Task/"+task, claim(laboratory))
			later.AcceptedAt = later.AcceptedAt.Add(time.Millisecond)
			m.Fill = f.filling(laboratory, later).Fill
		},
		"of another organisation": func(m *queue.Message) {
			m.Fill = f.filling(rival, f.write(1, "PATCH", "Task/"+task, claim(laboratory))).Fill
		},
	} {
		m := message()
		change(m)
		if state, err := f.Settle(t.Context(), m, 1); !errors.Is(err, processor.ErrForged) {
			t.Errorf("%s: got %s, error %v, want ErrForged", name, state, err)
		}
	}
	if got := value[int64](t, f, `select count(*) from submission where org = $1`, laboratory) + value[int64](t, f, `select count(*) from resource where claimed`); got != 0 {
		t.Errorf("got %d submissions and owners, want none", got)
	}
	m := message()
	m.AllowFill(f.keys)
	if _, got := f.settle(t, m); got[0].Status != 200 {
		t.Errorf("with the proof: got %d %s, want 200", got[0].Status, got[0].Outcome)
	}
}
