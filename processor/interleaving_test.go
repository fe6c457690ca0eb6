package processor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// between is a store in which something happens, once, between what a settlement reads and what it writes.
type between struct {
	processor.Store
	happens func()
}

func (b *between) Revise(ctx context.Context, s *postgres.Settlement, l postgres.Lookup, decide func(*postgres.Found) error) (bool, error) {
	return b.Store.Revise(ctx, s, l, func(found *postgres.Found) error {
		err := decide(found)
		if happens := b.happens; happens != nil {
			b.happens = nil
			happens()
		}
		return err
	})
}

// interleaved settles m, with happens in the middle of it.
func (f *fixture) interleaved(t *testing.T, m *queue.Message, happens func()) (referral.State, []referral.Answer) {
	t.Helper()
	c := f.Config
	c.Store = &between{c.Store, happens}
	state, err := processor.New(c).Settle(t.Context(), m, 1)
	if err != nil {
		t.Fatal(err)
	}
	return state, f.answers(t, m)
}

// TestShareMeetsAnUpdate: a request is addressed while what it refers to gets another version that leads further. All of
// it is shared, and listed where it stands now.
func TestShareMeetsAnUpdate(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "further")))
	further := idOf(created[0])
	_, created = f.settle(t, f.write(1, "POST", "Patient", patient("", "subject")))
	id := idOf(created[0])
	f.interleaved(t, f.write(2, "POST", "ServiceRequest", serviceRequest("Patient/"+id, "")), func() {
		f.settle(t, f.write(3, "PUT", "Patient/"+id, strings.Replace(patient(id, "subject"), `"name"`, `"link":[{"type":"seealso","other":{"reference":"Patient/`+further+`"}}],"name"`, 1)))
	})
	for name, id := range map[string]string{"the subject": id, "what its next version refers to": further} {
		if got := readersOf(t, f, id); got != recipient {
			t.Errorf("%s is read by %q, want %s", name, got, recipient)
		}
		if got := value[int64](t, f, `select count(*) from idx i join resource r on r.id = $1::uuid and i.vid = r.vid >> 10 << 10 where i.h = $2`, id, search.ListHash(recipient)); got != 1 {
			t.Errorf("%s is listed %d times for its reader, want once", name, got)
		}
	}
}

// TestReferenceMeetsADeletion: what a request cannot do without is there when it settles, or it is rejected.
func TestReferenceMeetsADeletion(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "p")))
	id := idOf(created[0])
	state, _ := f.interleaved(t, f.write(1, "POST", "ServiceRequest", serviceRequest("Patient/"+id, "")), func() {
		f.settle(t, f.write(2, "DELETE", "Patient/"+id, ""))
	})
	if state != referral.Rejected {
		t.Errorf("got %s, want rejected: its subject is deleted", state)
	}
}

// TestCrossedConditions: of two that each write what the other one looks for, the second sees what the first has written,
// whatever the types.
func TestCrossedConditions(t *testing.T) {
	add := func(value string) string {
		return `[{"op":"add","path":"/identifier/-","value":{"system":"urn:x","value":"` + value + `"}}]`
	}
	identified := func(value string) string {
		return strings.Replace(observation("x"), `"status"`, `"identifier":[{"system":"urn:x","value":"`+value+`"}],"status"`, 1)
	}
	for name, test := range map[string]struct {
		first, second func(f *fixture) *queue.Message
		want          int // of the second one's first entry
	}{
		"patches": {
			func(f *fixture) *queue.Message { return f.write(2, "PATCH", "Patient?identifier=urn:x|x", add("y")) },
			func(f *fixture) *queue.Message { return f.write(3, "PATCH", "Patient?identifier=urn:x|y", add("x")) }, 412,
		},
		"creates of two types": {
			func(f *fixture) *queue.Message {
				return f.transaction(2, "transaction", entry("POST", "Patient", "", patient("", "p"), `,"ifNoneExist":"identifier=urn:x|p"`), entry("POST", "Observation", "", identified("o"), ""))
			},
			func(f *fixture) *queue.Message {
				return f.transaction(3, "transaction", entry("POST", "Observation", "", identified("o"), `,"ifNoneExist":"identifier=urn:x|o"`), entry("POST", "Patient", "", patient("", "p"), ""))
			}, 200,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.settle(t, f.write(0, "POST", "Patient", patient("", "x")))
			f.settle(t, f.write(1, "POST", "Patient", patient("", "y")))
			second := test.second(f)
			var both sync.WaitGroup
			f.interleaved(t, test.first(f), func() {
				both.Go(func() {
					if _, err := f.Settle(t.Context(), second, 1); err != nil {
						t.Error(err)
					}
				})
				f.waitForLock(t)
			})
			both.Wait()
			if got := f.answers(t, second); got[0].Status != test.want {
				t.Errorf("got %d, want %d", got[0].Status, test.want)
			}
		})
	}
}

// waitForLock returns when somebody in the database waits for another's transaction.
func (f *fixture) waitForLock(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if value[bool](t, f, `select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}

// TestLocksAreFew however many conditions there are: the server's table of locks is everybody's.
func TestLocksAreFew(t *testing.T) {
	f := newFixture(t)
	entries := make([]string, 1000)
	for i := range entries {
		entries[i] = entry("POST", "Patient", "", patient("", fmt.Sprint(i)), fmt.Sprintf(`,"ifNoneExist":"identifier=urn:x|%d"`, i))
	}
	var locks int64
	state, _ := f.interleaved(t, f.transaction(0, "transaction", entries...), func() {
		locks = value[int64](t, f, `select count(*) from pg_locks where locktype = 'advisory'`)
	})
	if state != referral.Completed || locks == 0 || locks > 65 {
		t.Errorf("got %s with %d locks, want at most 65", state, locks)
	}
}

// TestConditionsThatFindTooMuch are told so, and nothing of it is read.
func TestConditionsThatFindTooMuch(t *testing.T) {
	f := newFixture(t)
	photo := strings.Repeat("AAAA", 1<<20/4)
	for n := range 34 {
		f.settle(t, f.write(n, "POST", "Patient", `{"resourceType":"Patient","identifier":[{"value":"same"}],"photo":[{"contentType":"image/png","data":"`+photo+`"}]}`))
	}
	for name, m := range map[string]*queue.Message{
		"a create": f.write(100, "POST", "Patient", `{"resourceType":"Patient"}`, "", "", "identifier=same"),
		"a search": f.transaction(101, "transaction", entry("GET", "Patient?identifier=same", "", "", "")),
	} {
		state, got := f.settle(t, m)
		if state != referral.Rejected || !strings.Contains(string(got[0].Outcome), `"too-costly"`) {
			t.Errorf("%s: got %s, %s; want it rejected as too costly", name, state, got[0].Outcome)
		}
	}
}
