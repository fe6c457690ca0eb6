package eventsource_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
)

// fakeQueue gives each batch once, then polls that last their 20 s. Deletes fail as often as told.
type fakeQueue struct {
	mu             sync.Mutex
	batches        [][]string // message ids; guarded by mu, like all below
	deleted        []string
	failingDeletes int // whole calls that fail
	partialDeletes int // calls of which the first entry fails
	hangingDeletes bool
	unreachable    int // receives that fail
	receives       int
}

func (q *fakeQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"QueueArn": "arn:aws:sqs:ap-southeast-2:000000000000:referrals"}}, nil
}

func (q *fakeQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	q.mu.Lock()
	q.receives++
	if q.unreachable > 0 {
		q.unreachable--
		q.mu.Unlock()
		return nil, errors.New("connection refused")
	}
	if len(q.batches) > 0 {
		var out sqs.ReceiveMessageOutput
		for _, id := range q.batches[0] {
			out.Messages = append(out.Messages, types.Message{MessageId: aws.String(id), ReceiptHandle: aws.String("handle " + id), Body: aws.String("secret body")})
		}
		q.batches = q.batches[1:]
		q.mu.Unlock()
		return &out, nil
	}
	q.mu.Unlock()
	select {
	case <-time.After(time.Duration(in.WaitTimeSeconds) * time.Second):
		return &sqs.ReceiveMessageOutput{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *fakeQueue) DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	if q.hangingDeletes {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failingDeletes > 0 {
		q.failingDeletes--
		return nil, errors.New("connection reset")
	}
	var out sqs.DeleteMessageBatchOutput
	for i, e := range in.Entries {
		if i == 0 && q.partialDeletes > 0 {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id})
			continue
		}
		q.deleted = append(q.deleted, strings.TrimPrefix(*e.ReceiptHandle, "handle "))
	}
	q.partialDeletes = max(0, q.partialDeletes-1)
	return &out, nil
}

// run lets a mapping run over q in a bubble's time, for d, and gives what it logged.
func run(t *testing.T, q *fakeQueue, d time.Duration, c eventsource.Config) (logged string) {
	t.Helper()
	var log bytes.Buffer
	c.Client, c.QueueURL = q, "http://127.0.0.1:9324/000000000000/referrals"
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := eventsource.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func failures(ids ...string) events.SQSEventResponse {
	var r events.SQSEventResponse
	for _, id := range ids {
		r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return r
}

func TestOnlySuccessesAreDeleted(t *testing.T) {
	answer := func(r events.SQSEventResponse, err error) eventsource.Handler {
		return func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { return r, err }
	}
	all := []string{"a", "b", "c"}
	for _, c := range []struct {
		name    string
		handler eventsource.Handler
		want    []string
	}{
		{"null failures", answer(events.SQSEventResponse{}, nil), all},
		{"empty failures", answer(events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}, nil), all},
		{"one failure", answer(failures("b"), nil), []string{"a", "c"}},
		{"the same failure twice", answer(failures("b", "b"), nil), []string{"a", "c"}},
		{"all failed", answer(failures("a", "b", "c"), nil), nil},
		{"an empty identifier", answer(failures("b", ""), nil), nil},
		{"an unknown identifier", answer(failures("b", "z"), nil), nil},
		{"an error", answer(events.SQSEventResponse{}, errors.New("no database")), nil},
		{"a panic", func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) { panic(e.Records[0].Body) }, nil},
		{"success after the timeout", func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse, error) {
			<-ctx.Done()
			return events.SQSEventResponse{}, nil
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{batches: [][]string{{"a", "b", "c"}}}
				logged := run(t, q, time.Minute, eventsource.Config{Handler: c.handler, Timeout: 5 * time.Second})
				if diff := cmp.Diff(c.want, q.deleted); diff != "" {
					t.Errorf("deleted (-want +got):\n%s", diff)
				}
				if strings.Contains(logged, "secret") {
					t.Errorf("the log shows a body:\n%s", logged)
				}
			})
		})
	}
}

func TestDeletesAreTriedAgain(t *testing.T) {
	succeed := func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{}, nil
	}
	for _, c := range []struct {
		name  string
		queue *fakeQueue
		want  []string
	}{
		{"calls fail twice", &fakeQueue{failingDeletes: 2}, []string{"a", "b"}},
		{"an entry fails twice", &fakeQueue{partialDeletes: 2}, []string{"a", "b"}},
		{"calls fail for good", &fakeQueue{failingDeletes: 9}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := c.queue
				q.batches = [][]string{{"a", "b"}}
				run(t, q, time.Minute, eventsource.Config{Handler: succeed})
				slices.Sort(q.deleted)
				if diff := cmp.Diff(c.want, q.deleted); diff != "" {
					t.Errorf("deleted (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestStopFinishesWorkInProgress(t *testing.T) {
	for _, c := range []struct {
		name         string
		grace, takes time.Duration
		want         []string
	}{
		{"within the grace", 5 * time.Second, 3 * time.Second, []string{"a"}},
		{"past the grace", 5 * time.Second, 8 * time.Second, nil},
		{"without a grace, within the timeout", 0, 8 * time.Second, []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{batches: [][]string{{"a"}}}
				begin := time.Now()
				run(t, q, time.Second, eventsource.Config{Grace: c.grace, Timeout: 20 * time.Second,
					Handler: func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse, error) {
						q.mu.Lock()
						q.batches = append(q.batches, []string{"not taken any more"})
						q.mu.Unlock()
						select {
						case <-time.After(time.Second + c.takes):
							return events.SQSEventResponse{}, nil
						case <-ctx.Done():
							return events.SQSEventResponse{}, ctx.Err()
						}
					}})
				if diff := cmp.Diff(c.want, q.deleted); diff != "" {
					t.Errorf("deleted (-want +got):\n%s", diff)
				}
				if q.receives != 1 {
					t.Errorf("received %d times, want 1", q.receives)
				}
				if took := time.Since(begin); took > 10*time.Second {
					t.Errorf("stopped after %v", took)
				}
			})
		})
	}
}

// TestStopDoesNotWaitForDeletes stops while the queue does not answer deletes.
func TestStopDoesNotWaitForDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{batches: [][]string{{"a"}}, hangingDeletes: true}
		begin := time.Now()
		run(t, q, time.Second, eventsource.Config{Grace: 3 * time.Second,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				return events.SQSEventResponse{}, nil
			}})
		if took := time.Since(begin); took > 6*time.Second {
			t.Errorf("stopped after %v, want the second it ran, the grace and a second more", took)
		}
	})
}

func TestUnreachableQueueIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{unreachable: 12, batches: [][]string{{"a"}}}
		logged := run(t, q, time.Minute, eventsource.Config{Concurrency: 3,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				return events.SQSEventResponse{}, nil
			}})
		for _, line := range []string{"queue unreachable", "queue reachable again"} {
			if got := strings.Count(logged, line); got != 1 {
				t.Errorf("%q was logged %d times, want 1:\n%s", line, got, logged)
			}
		}
		if diff := cmp.Diff([]string{"a"}, q.deleted); diff != "" {
			t.Errorf("deleted (-want +got):\n%s", diff)
		}
	})
}

func TestRunRefusesConfig(t *testing.T) {
	handler := func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{}, nil
	}
	for i, c := range []eventsource.Config{
		{QueueURL: "u", Handler: handler},
		{Client: &fakeQueue{}, QueueURL: "u"},
		{Client: &fakeQueue{}, QueueURL: "u", Handler: handler, BatchSize: 11},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if err := eventsource.Run(t.Context(), c); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestGather: after a batch that is not full the next one gathers; after a full one there is no time to lose.
func TestGather(t *testing.T) {
	for _, test := range []struct {
		name string
		size int
		want []time.Duration
	}{
		{"not full", 3, []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond}},
		{"full", 2, []time.Duration{0, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var got []time.Duration
				q := &fakeQueue{batches: [][]string{{"a", "b"}, {"c", "d"}, {"e", "f"}}}
				run(t, q, time.Second, eventsource.Config{
					BatchSize: test.size, Gather: 20 * time.Millisecond,
					Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
						got = append(got, time.Since(begin))
						return events.SQSEventResponse{}, nil
					},
				})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("invocations after (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestStopEndsGathering: who gathers has nothing in progress to wait for.
func TestStopEndsGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		run(t, &fakeQueue{batches: [][]string{{"a"}}}, time.Second, eventsource.Config{
			Gather:  time.Hour,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { return failures(), nil },
		})
		if took := time.Since(begin); took != time.Second {
			t.Errorf("Run took %v, want the second that its context had", took)
		}
	})
}
