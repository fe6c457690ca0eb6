package processor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// faulty is a store in which things go wrong before they are asked of the real one; nil: nothing does.
type faulty struct {
	processor.Store
	settle     func(*postgres.Settlement) error
	failed     func() error
	quarantine func() error
}

func (f *faulty) Settle(ctx context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
	for _, s := range settlements {
		if f.settle == nil || s.State != referral.Completed {
			continue
		}
		if err := f.settle(s); err != nil {
			return nil, err
		}
	}
	return f.Store.Settle(ctx, settlements...)
}

func (f *faulty) Failed(ctx context.Context, failure postgres.Failure) (int, error) {
	if f.failed != nil {
		if err := f.failed(); err != nil {
			return 0, err
		}
	}
	return f.Store.Failed(ctx, failure)
}

func (f *faulty) Quarantine(ctx context.Context, s *postgres.Settlement) (bool, error) {
	if f.quarantine != nil {
		if err := f.quarantine(); err != nil {
			return false, err
		}
	}
	return f.Store.Quarantine(ctx, s)
}

// letters is a dead-letter queue.
type letters struct {
	bodies, reasons []string
	err             error // nil: letters are taken
}

func (l *letters) send(_ context.Context, record *events.SQSMessage, class, code string, attempts int) error {
	if l.err == nil {
		l.bodies, l.reasons = append(l.bodies, record.Body), append(l.reasons, fmt.Sprint(class, " ", code, " ", attempts))
	}
	return l.err
}

// newHospital is a fixture with a faulty store and a dead-letter queue.
func newHospital(t testing.TB) (*fixture, *faulty, *letters) {
	t.Helper()
	f, store, dead := newFixture(t), &faulty{}, &letters{}
	store.Store, f.Store, f.DeadLetter = f.Store, store, dead.send
	return f, store, dead
}

// deliver has the messages handled as one batch, received as often as receives says, and returns how many failed.
func (f *fixture) deliver(t testing.TB, receives int, bodies ...string) (failed int) {
	t.Helper()
	event := events.SQSEvent{}
	for i, body := range bodies {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: strconv.Itoa(i), Body: body, Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)},
		})
	}
	response, err := f.HandleSQS(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return len(response.BatchItemFailures)
}

// state is the submission's of an envelope, or empty.
func (f *fixture) state(t testing.TB, m *queue.Message) string {
	t.Helper()
	d := f.keys.Digest(m.Request)
	return value[string](t, f, `select coalesce((select state from submission where d = $1), '')`, d[:])
}

func encode(t testing.TB, m *queue.Message) string {
	t.Helper()
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// noBlobs is a store of claims that has none, for the reason err.
type noBlobs struct{ err error }

func (n noBlobs) Get(context.Context, string) ([]byte, error) { return nil, n.err }

// TestWhatIsTakenOutOfTheQueue: each kind of failure is delivered 25 times at the most, or until it is gone. What is away
// never counts, what may be the message's fault does, and what ingest never sent goes at once.
func TestWhatIsTakenOutOfTheQueue(t *testing.T) {
	fails := func(err error) func(*fixture, *faulty, *queue.Message) {
		return func(_ *fixture, s *faulty, _ *queue.Message) {
			s.settle = func(*postgres.Settlement) error { return fmt.Errorf("settle: %w", err) }
		}
	}
	state := func(sqlstate string) func(*fixture, *faulty, *queue.Message) {
		return fails(&postgres.Error{SQLState: sqlstate})
	}
	for name, test := range map[string]struct {
		fault      func(*fixture, *faulty, *queue.Message)
		deliveries int
		reason     string // of the dead letter
		state      string // of the submission
	}{
		"the store is down":        {fails(postgres.ErrUnavailable), 25, "", ""},
		"it is busy":               {fails(postgres.ErrBusy), 25, "", ""},
		"no time":                  {fails(context.DeadlineExceeded), 25, "", ""},
		"shut down":                {state("57P01"), 25, "", ""},
		"disk full":                {state("53100"), 25, "", ""},
		"not migrated":             {state("42P01"), 25, "", ""},
		"locked":                   {state("55P03"), 25, "", ""},
		"too complex":              {state("54001"), 5, "bug 54001 5", "quarantined"},
		"unknown SQLSTATE":         {state("ZZ123"), 5, "bug ZZ123 5", "quarantined"},
		"unknown error":            {fails(errors.New("unknown")), 5, "bug exception 5", "quarantined"},
		"not allowed":              {state("42501"), 1, "security 42501 1", "quarantined"},
		"what cannot be stored":    {state("22P05"), 1, "", "rejected"},
		"a key that another holds": {fails(&postgres.Error{SQLState: "23505", Constraint: "submission_key"}), 1, "", "rejected"},
		"panic": {func(_ *fixture, s *faulty, _ *queue.Message) {
			s.settle = func(*postgres.Settlement) error { panic("x") }
		}, 5, "bug panic 5", "quarantined"},
		"another body":              {func(_ *fixture, _ *faulty, m *queue.Message) { m.Body[9] ^= 1 }, 1, "security integrity 1", "quarantined"},
		"another organisation's id": {func(_ *fixture, _ *faulty, m *queue.Message) { m.Request.Org = recipient }, 1, "security forged 7", ""},
		"a lost claim": {func(f *fixture, _ *faulty, m *queue.Message) { m.CheckIn(); f.Blobs = noBlobs{blob.ErrNotFound} },
			5, "bug claim 5", "quarantined"},
		"claims are away": {func(f *fixture, _ *faulty, m *queue.Message) { m.CheckIn(); f.Blobs = noBlobs{errors.New("away")} }, 25, "", ""},
		"no dead-letter queue": {func(f *fixture, s *faulty, _ *queue.Message) {
			f.DeadLetter = nil
			s.settle = func(*postgres.Settlement) error { panic("x") }
		}, 25, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, store, dead := newHospital(t)
			m := f.message(referral.KeyHeader, "k", `{"resourceType":"Bundle","type":"transaction"}`)
			test.fault(f, store, m)
			body := encode(t, m)
			deliveries := 0
			for deliveries < 25 {
				deliveries++
				if f.deliver(t, 7, body) == 0 { // the queue's own count is of no matter
					break
				}
			}
			if deliveries != test.deliveries {
				t.Errorf("got %d deliveries, want %d", deliveries, test.deliveries)
			}
			var want, bodies []string
			if test.reason != "" {
				want, bodies = []string{test.reason}, []string{body}
			}
			if diff := cmp.Diff(want, dead.reasons); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(bodies, dead.bodies); diff != "" {
				t.Errorf("bodies of dead letters (-want +got):\n%s", diff)
			}
			if got := f.state(t, m); got != test.state {
				t.Errorf("got state %q, want %q", got, test.state)
			}
		})
	}
}

// TestGarbageIsTakenOut without the store, and what a newer version made is not.
func TestGarbageIsTakenOut(t *testing.T) {
	f, store, dead := newHospital(t)
	store.failed = func() error { return errors.New("asked to count") }
	if got := f.deliver(t, 1, "", "{}", "\x00", `{"v":9}`); got != 1 {
		t.Errorf("%d failed, want the newer one alone", got)
	}
	want := []string{"security envelope 1", "security envelope 1", "security envelope 1"}
	if diff := cmp.Diff(want, dead.reasons); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// TestQuarantineLosesNothing: whatever step fails, the message stays in the queue, and once nothing does it is in the
// dead-letter queue and shown so. Then it settles, once, however many copies there are.
func TestQuarantineLosesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		fault, mend func(*faulty, *letters)
		copies      int
	}{
		"nothing fails":      {func(*faulty, *letters) {}, func(*faulty, *letters) {}, 1},
		"the count fails":    {func(s *faulty, _ *letters) { s.failed = func() error { return postgres.ErrUnavailable } }, func(s *faulty, _ *letters) { s.failed = nil }, 1},
		"the sending fails":  {func(_ *faulty, l *letters) { l.err = errors.New("away") }, func(_ *faulty, l *letters) { l.err = nil }, 1},
		"the showing fails":  {func(s *faulty, _ *letters) { s.quarantine = func() error { return postgres.ErrUnavailable } }, func(s *faulty, _ *letters) { s.quarantine = nil }, 2},
		"the showing panics": {func(s *faulty, _ *letters) { s.quarantine = func() error { panic("x") } }, func(s *faulty, _ *letters) { s.quarantine = nil }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, store, dead := newHospital(t)
			m := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
			body := encode(t, m)
			store.settle = func(*postgres.Settlement) error { return &postgres.Error{SQLState: "42501"} }
			test.fault(store, dead)
			if got := f.deliver(t, 1, body); got == 0 && name != "nothing fails" {
				t.Fatal("the message is gone, and nobody sees where it is")
			}
			test.mend(store, dead)
			if got := f.deliver(t, 2, body); got != 0 {
				t.Fatalf("%d failed once all works", got)
			}
			if name == "nothing fails" { // it was delivered again all the same
				test.copies++
			}
			if len(dead.bodies) != test.copies || f.state(t, m) != "quarantined" {
				t.Errorf("got %d dead letters and state %s, want %d and quarantined", len(dead.bodies), f.state(t, m), test.copies)
			}
			store.settle = nil // the operator has mended it
			for _, copied := range dead.bodies {
				if got := f.deliver(t, 1, copied); got != 0 {
					t.Error("a replay failed")
				}
			}
			if got := value[int64](t, f, `select count(*) from resource where type = 'ServiceRequest'`); got != 1 || f.state(t, m) != "completed" {
				t.Errorf("got %d requests and state %s, want 1 and completed", got, f.state(t, m))
			}
		})
	}
}

// TestReplayedIsTriedAsOftenAgain.
func TestReplayedIsTriedAsOftenAgain(t *testing.T) {
	f, store, dead := newHospital(t)
	store.settle = func(*postgres.Settlement) error { panic("x") }
	body := encode(t, f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral")))
	for delivery := 1; delivery <= 10; delivery++ {
		if gone := f.deliver(t, delivery, body) == 0; gone != (delivery%5 == 0) {
			t.Errorf("delivery %d: gone %v", delivery, gone)
		}
	}
	if diff := cmp.Diff([]string{"bug panic 5", "bug panic 5"}, dead.reasons); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// TestCountingNeedsTheStore: an outage that begins when a failure is to be counted is not the message's fault, and the
// queue's count decides only where the store does all but count.
func TestCountingNeedsTheStore(t *testing.T) {
	for name, test := range map[string]struct {
		counting error
		receives int
		gone     bool
	}{
		"down, after many deliveries":               {postgres.ErrUnavailable, 500, false},
		"busy, after many deliveries":               {&postgres.Error{SQLState: "53100"}, 500, false},
		"the same error, after many deliveries":     {&postgres.Error{SQLState: "54000"}, 500, false},
		"it cannot count, after a few deliveries":   {&postgres.Error{SQLState: "42804"}, 4, false},
		"it cannot count, after as many as allowed": {&postgres.Error{SQLState: "42804"}, 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, store, dead := newHospital(t)
			store.settle = func(*postgres.Settlement) error { return &postgres.Error{SQLState: "54000"} }
			store.failed = func() error { return test.counting }
			got := f.deliver(t, test.receives, encode(t, f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral")))) == 0
			if got != test.gone || len(dead.bodies) > 0 != test.gone {
				t.Errorf("gone: %v, with %d dead letters; want %v", got, len(dead.bodies), test.gone)
			}
		})
	}
}

// TestStoreThatAnOperatorHasToMend: a right that is missing puts off every message and takes none out of the queue; a
// schema that is ahead of this release quarantines, which can be undone, and rejects nothing.
func TestStoreThatAnOperatorHasToMend(t *testing.T) {
	for name, test := range map[string]struct {
		harm, mend string
		letters    []string
		state      string
	}{
		"a right":  {`revoke insert on resource from referral_processor`, `grant insert on resource to referral_processor`, nil, ""},
		"another":  {`revoke insert on submission from referral_processor`, `grant insert on submission to referral_processor`, nil, ""},
		"a column": {`alter table resource add column later text not null`, `alter table resource drop column later`, []string{"bug 23502 5"}, "quarantined"},
		"a check": {`alter table resource add constraint later check (type <> 'Patient')`, `alter table resource drop constraint later`,
			[]string{"bug 23514 5"}, "quarantined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _, dead := newHospital(t)
			m := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
			body := encode(t, m)
			f.execute(t, test.harm)
			for i := range 7 {
				if f.deliver(t, i+1, body) == 0 {
					break
				}
			}
			if got := f.state(t, m); got != test.state || !slices.Equal(dead.reasons, test.letters) {
				t.Errorf("got dead letters %q and state %q, want %q and %q", dead.reasons, got, test.letters, test.state)
			}
			f.execute(t, test.mend)
			if failed := f.deliver(t, 1, body); failed != 0 || f.state(t, m) != "completed" {
				t.Errorf("%d failed, state %s; want it completed once the store is right", failed, f.state(t, m))
			}
		})
	}
}

// TestQuarantineWhoseKeyIsTaken ends as it would have: another submission has settled under the key.
func TestQuarantineWhoseKeyIsTaken(t *testing.T) {
	f, store, _ := newHospital(t)
	poison := f.message(referral.KeyHeader, "k", referralBody(t, "cardiology-referral"))
	if got := f.deliver(t, 1, encode(t, f.message(referral.KeyHeader, "k", referralBody(t, "pathology-request")))); got != 0 {
		t.Fatal("the other one failed")
	}
	store.settle = func(*postgres.Settlement) error { return &postgres.Error{SQLState: "42501"} }
	if got := f.deliver(t, 1, encode(t, poison)); got != 0 || f.state(t, poison) != "rejected" {
		t.Errorf("%d failed, state %s; want it rejected", got, f.state(t, poison))
	}
}

// TestPoisonAndNineOthers: nine settle at the first delivery, with or without a place for the tenth.
func TestPoisonAndNineOthers(t *testing.T) {
	for name, poison := range map[string]error{"bug": errors.New("unknown"), "security": &postgres.Error{SQLState: "42501"}} {
		t.Run(name, func(t *testing.T) {
			f, store, dead := newHospital(t)
			event, messages := f.batch(t, 10)
			var bodies []string
			for _, record := range event.Records[:10] {
				bodies = append(bodies, record.Body)
			}
			bad := f.keys.Digest(messages[4].Request)
			store.settle = func(s *postgres.Settlement) error {
				if s.Digest == bad {
					return poison
				}
				return nil
			}
			failed, want := f.deliver(t, 1, bodies...), 1
			if name == "security" {
				want = 0
			}
			if failed != want || len(dead.bodies) != 1-want {
				t.Errorf("got %d failures and %d dead letters, want %d and %d", failed, len(dead.bodies), want, 1-want)
			}
			if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 9 {
				t.Errorf("%d settled at the first delivery, want 9", got)
			}
			if got := value[int64](t, f, `select count(*) from failure`); got != 1 {
				t.Errorf("%d failures are counted, want the poison's alone", got)
			}
		})
	}
}

// TestNoMessageIsCutShort: with a slow store, a message is begun only when there is all the time for it that it may
// take; the first one always is. Messages of one batch that share its first transaction are slow, too.
func TestNoMessageIsCutShort(t *testing.T) {
	f := newFixture(t)
	event, _ := f.batch(t, 9)
	for limit, want := range map[time.Duration]int{time.Second: 0, 12 * time.Second: 2, 16 * time.Second: 3, time.Minute: 10} {
		synctest.Test(t, func(t *testing.T) {
			begun := 0 // alone
			slow := storeFunc(func(ctx context.Context, s ...*postgres.Settlement) ([]bool, error) {
				deadline, _ := ctx.Deadline()
				if left := time.Until(deadline); len(s) == 1 && begun > 0 && left < 5*time.Second {
					t.Errorf("%v: message %d began with %v left, want 5s", limit, begun, left)
				}
				time.Sleep(3 * time.Second)
				if len(s) > 1 {
					return nil, errors.New("one of them")
				}
				begun++
				return []bool{true}, ctx.Err()
			})
			p := processor.New(processor.Config{Store: slow, Keys: f.keys, Schemas: f.Schemas, ItemTimeout: 5 * time.Second})
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			response, err := p.HandleSQS(ctx, event)
			if got := len(event.Records) - len(response.BatchItemFailures); err != nil || got != want || begun < 1 {
				t.Errorf("%v: got %d settled, %d begun, error %v; want %d settled and at least one begun", limit, got, begun, err, want)
			}
		})
	}
}

// TestWhatWasNotTriedIsNotCounted: when the transaction of a whole batch fails, and then the store goes away, the failure
// is nobody's in particular.
func TestWhatWasNotTriedIsNotCounted(t *testing.T) {
	f, store, dead := newHospital(t)
	event, _ := f.batch(t, 4)
	asked := 0
	store.settle = func(*postgres.Settlement) error {
		if asked++; asked == 1 {
			return errors.New("one of them")
		}
		return postgres.ErrUnavailable
	}
	response, err := f.HandleSQS(t.Context(), event)
	if err != nil || len(response.BatchItemFailures) != len(event.Records) || asked != 2 {
		t.Errorf("got %d failures, asked %d times, error %v; want all reported after two", len(response.BatchItemFailures), asked, err)
	}
	if got := value[int64](t, f, `select count(*) from failure`); got != 0 || len(dead.bodies) != 0 {
		t.Errorf("%d failures are counted, %d dead letters; want none", got, len(dead.bodies))
	}
}

// patientStore is a store that waits, and does its work however late it has become.
type patientStore struct {
	processor.Store
	waits time.Duration
}

func (s patientStore) Revise(ctx context.Context, settlement *postgres.Settlement, l postgres.Lookup, decide func(*postgres.Found) error) (bool, error) {
	time.Sleep(s.waits)
	return s.Store.Revise(context.WithoutCancel(ctx), settlement, l, decide)
}

func (s patientStore) Failed(ctx context.Context, failure postgres.Failure) (int, error) {
	return s.Store.Failed(context.WithoutCancel(ctx), failure)
}

func (s patientStore) Quarantine(ctx context.Context, settlement *postgres.Settlement) (bool, error) {
	return s.Store.Quarantine(context.WithoutCancel(ctx), settlement)
}

// TestWhoseTimeItWas: time that the message itself took counts as a try, and time that the store took does not.
func TestWhoseTimeItWas(t *testing.T) {
	for name, test := range map[string]struct {
		waits, itemTimeout time.Duration
		want               []string
	}{
		"the store's":   {200 * time.Millisecond, 190 * time.Millisecond, nil},
		"the message's": {0, time.Nanosecond, []string{"bug slow 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, _, dead := newHospital(t)
			_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "subject")))
			f.Store, f.ItemTimeout = patientStore{f.Store, test.waits}, test.itemTimeout
			body := encode(t, f.write(1, "POST", "ServiceRequest", serviceRequest("Patient/"+idOf(created[0]), "")))
			for range 5 {
				f.deliver(t, 1, body)
			}
			if diff := cmp.Diff(test.want, dead.reasons); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
		})
	}
}
