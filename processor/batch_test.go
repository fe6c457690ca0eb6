package processor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestHandleSQSReportsWhatDidNotSettle(t *testing.T) {
	f := newFixture(t)
	good, err := f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral")).Encode()
	if err != nil {
		t.Fatal(err)
	}
	record := func(id, body string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, Body: body, Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
	}
	failures := func(response events.SQSEventResponse) []string {
		var ids []string
		for _, failure := range response.BatchItemFailures {
			ids = append(ids, failure.ItemIdentifier)
		}
		slices.Sort(ids)
		return ids
	}
	response, err := f.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		record("garbage", "{}"), record("good", good), record("again", good), record("newer", `{"v":9}`), record("garbage", "x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"garbage", "newer"}, failures(response)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if _, err := f.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{record("", "{}")}}); err == nil {
		t.Error("got no error for a failed message without an id; the batch would count as done")
	}
}

// storeFunc is a Store of creates.
type storeFunc func(context.Context, ...*postgres.Settlement) ([]bool, error)

func (f storeFunc) Settle(ctx context.Context, s ...*postgres.Settlement) ([]bool, error) {
	return f(ctx, s...)
}

func (f storeFunc) Revise(context.Context, *postgres.Settlement, postgres.Lookup, func(*postgres.Found) error) (bool, error) {
	return false, errors.New("asked to revise")
}

func (f storeFunc) Failed(context.Context, postgres.Failure) (int, error) {
	return 0, errors.New("asked to count")
}

func (f storeFunc) Quarantine(context.Context, *postgres.Settlement) (bool, error) {
	return false, errors.New("asked to quarantine")
}

// batch returns an event of n different messages, m0 to m(n-1), the first of them twice.
func (f *fixture) batch(t testing.TB, n int) (event events.SQSEvent, messages []*queue.Message) {
	t.Helper()
	body := referralBody(t, "cardiology-referral")
	for i := range n {
		m := f.message(referral.KeyHeader, strconv.Itoa(i), body)
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: text})
	}
	event.Records = append(event.Records, events.SQSMessage{MessageId: "again", Body: event.Records[0].Body})
	return event, messages
}

// TestPoisonDoesNotHoldUpItsBatch: whatever the store says of one message, or does, the others settle.
func TestPoisonDoesNotHoldUpItsBatch(t *testing.T) {
	for name, poison := range map[string]func() error{
		"unknown error": func() error { return errors.New("unknown") },
		"panic":         func() error { panic("poison") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			event, messages := f.batch(t, 10)
			bad, store := f.keys.Digest(messages[4].Request), f.Store
			f.Store = storeFunc(func(ctx context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
				for _, s := range settlements {
					if s.Digest == bad {
						return nil, poison()
					}
				}
				return store.Settle(ctx, settlements...)
			})
			response, err := f.HandleSQS(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			want := []events.SQSBatchItemFailure{{ItemIdentifier: "m4"}}
			if diff := cmp.Diff(want, response.BatchItemFailures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 9 {
				t.Errorf("got %d completed, want 9", got)
			}
		})
	}
}

// TestBatchSettlesInOneTransaction counts what the store is asked, and of what.
func TestBatchSettlesInOneTransaction(t *testing.T) {
	f := newFixture(t)
	event, _ := f.batch(t, 9)
	var calls []int
	store := f.Store
	f.Store = storeFunc(func(ctx context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
		calls = append(calls, len(settlements))
		return store.Settle(ctx, settlements...)
	})
	for range 2 {
		if response, err := f.HandleSQS(t.Context(), event); err != nil || len(response.BatchItemFailures) > 0 {
			t.Fatalf("got %+v, error %v; want no failures", response, err)
		}
	}
	if diff := cmp.Diff([]int{9, 1, 9, 1}, calls); diff != "" {
		t.Errorf("settlements of each transaction, the repeated message's own last (-want +got):\n%s", diff)
	}
	if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 9 {
		t.Errorf("got %d completed, want 9", got)
	}
}

func TestStoreDownIsAskedOnceAndAllIsReported(t *testing.T) {
	f := newFixture(t)
	event, _ := f.batch(t, 3)
	asked := 0
	var delayed atomic.Int32
	f.Store = storeFunc(func(context.Context, ...*postgres.Settlement) ([]bool, error) {
		asked++
		return nil, fmt.Errorf("settle: %w", postgres.ErrUnavailable)
	})
	f.Delay = func(context.Context, string, time.Duration) error { delayed.Add(1); return nil }
	response, err := f.HandleSQS(t.Context(), event)
	if err != nil || len(response.BatchItemFailures) != 4 || delayed.Load() != 4 {
		t.Errorf("got %d failures, %d put off, error %v; want 4 and 4", len(response.BatchItemFailures), delayed.Load(), err)
	}
	if asked != 1 {
		t.Errorf("the store was asked %d times, want once", asked)
	}
}

// TestHangingQueueDoesNotHoldTheReport: with the queue silent, ten failures are put off in the time of one.
func TestHangingQueueDoesNotHoldTheReport(t *testing.T) {
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p := processor.New(processor.Config{Keys: keys, Delay: func(ctx context.Context, _ string, _ time.Duration) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		var event events.SQSEvent
		for i := range 10 {
			event.Records = append(event.Records, events.SQSMessage{MessageId: strconv.Itoa(i), Body: "garbage"})
		}
		start := time.Now()
		response, err := p.HandleSQS(t.Context(), event)
		if err != nil || len(response.BatchItemFailures) != 10 {
			t.Errorf("got %d failures, error %v; want 10", len(response.BatchItemFailures), err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("reporting took %v of the synthetic clock, want at most 500ms", took)
		}
	})
}
