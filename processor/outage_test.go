package processor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// pretended is SQS on the clock of the test: a queue with its time-out and its limit of receives, and a dead-letter queue.
type pretended struct {
	mu       sync.Mutex
	messages map[string]*waiting // guarded by mu
	sent     int                 // guarded by mu
	dead     int                 // guarded by mu
	most     int                 // receives of one message; guarded by mu
}

type waiting struct {
	body      string
	receives  int
	visibleAt time.Time
}

const (
	visibility      = 30 * time.Second // as on one machine
	maxReceiveCount = 1000
)

func (q *pretended) send(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent++
	q.messages[strconv.Itoa(q.sent)] = &waiting{body: body, visibleAt: time.Now()}
}

func (q *pretended) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"QueueArn": "arn:aws:sqs:ap-southeast-2:000000000000:referrals"}}, nil
}

// ReceiveMessage waits until there is something, a second at a time, for as long as a long poll does.
func (q *pretended) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	for range in.WaitTimeSeconds {
		if out := q.receive(int(in.MaxNumberOfMessages)); len(out) > 0 {
			return &sqs.ReceiveMessageOutput{Messages: out}, nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &sqs.ReceiveMessageOutput{}, nil
}

func (q *pretended) receive(limit int) (out []types.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, m := range q.messages {
		if len(out) == limit || m.visibleAt.After(time.Now()) {
			continue
		}
		if m.receives++; m.receives > maxReceiveCount {
			delete(q.messages, id)
			q.dead++
			continue
		}
		q.most = max(q.most, m.receives)
		m.visibleAt = time.Now().Add(visibility)
		out = append(out, types.Message{
			MessageId: aws.String(id), ReceiptHandle: aws.String(id), Body: aws.String(m.body),
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives)},
		})
	}
	return out
}

func (q *pretended) ChangeMessageVisibility(_ context.Context, in *sqs.ChangeMessageVisibilityInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages[*in.ReceiptHandle].visibleAt = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
	return &sqs.ChangeMessageVisibilityOutput{}, nil
}

func (q *pretended) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range in.Entries {
		delete(q.messages, *e.ReceiptHandle)
	}
	return &sqs.DeleteMessageBatchOutput{}, nil
}

// SendMessage is that of the dead-letter queue.
func (q *pretended) SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead++
	return &sqs.SendMessageOutput{}, nil
}

// away is a store that says err to everything until a time, but for what it can count.
type away struct {
	until   time.Time
	err     error
	counts  bool
	mu      sync.Mutex
	settled map[referral.Digest]int // guarded by mu
	tries   map[referral.Digest]int // guarded by mu
}

func (s *away) Settle(_ context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
	if time.Now().Before(s.until) {
		return nil, fmt.Errorf("settle: %w", s.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	settled := make([]bool, len(settlements))
	for i, one := range settlements {
		s.settled[one.Digest]++
		settled[i] = s.settled[one.Digest] == 1
	}
	return settled, nil
}

func (s *away) Revise(context.Context, *postgres.Settlement, postgres.Lookup, func(*postgres.Found) error) (bool, error) {
	return false, errors.New("asked to revise")
}

func (s *away) Failed(_ context.Context, f postgres.Failure) (int, error) {
	if !s.counts {
		return 0, s.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[f.Digest]++
	return s.tries[f.Digest], nil
}

func (s *away) Quarantine(context.Context, *postgres.Settlement) (bool, error) { return s.counts, nil }

// TestADayWithoutTheStore: what is accepted before and during a day without PostgreSQL settles after it, unaided, and
// nothing becomes a dead letter. The controls take away one thing that this rests on: that what is received waits longer
// and longer, and that an outage is told from a fault of the message.
func TestADayWithoutTheStore(t *testing.T) {
	for name, test := range map[string]struct {
		err       error
		impatient bool // without back-off
		dead      bool
	}{
		"a day":                                {postgres.ErrUnavailable, false, false},
		"a day of errors that nobody knows":    {errors.New("away"), false, true},
		"a day of deliveries without back-off": {postgres.ErrUnavailable, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
			if err != nil {
				t.Fatal(err)
			}
			checker := schemas.New(schemas.Config{})
			synctest.Test(t, func(t *testing.T) {
				store := &away{
					until: time.Now().Add(24 * time.Hour), err: test.err, counts: !errors.Is(test.err, postgres.ErrUnavailable),
					settled: map[referral.Digest]int{}, tries: map[referral.Digest]int{},
				}
				q := &pretended{messages: map[string]*waiting{}}
				config := processor.Config{
					Store: store, Keys: keys, Schemas: checker, ItemTimeout: 5 * time.Second,
					Delay: sqsqueue.Delay(q, "referrals"), DeadLetter: sqsqueue.DeadLetter(q, "referrals-dead"),
				}
				if test.impatient {
					config.Delay = nil
				}
				ctx, stop := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() {
					err := eventsource.Run(ctx, eventsource.Config{
						Client: q, QueueURL: "referrals", Handler: processor.New(config).HandleSQS, Concurrency: 2, Log: slog.New(slog.DiscardHandler),
					})
					if err != nil {
						t.Error(err)
					}
				})
				const accepted = 24
				f := &fixture{keys: keys}
				for i := range accepted {
					q.send(encode(t, f.message(referral.KeyHeader, strconv.Itoa(i), `{"resourceType":"Bundle","type":"transaction"}`)))
					time.Sleep(time.Hour)
				}
				time.Sleep(15*time.Minute + 21*time.Second) // the longest back-off, and a poll
				stop()
				running.Wait()
				t.Logf("%d settled, %d dead letters, %d receives of one message at most", len(store.settled), q.dead, q.most)
				if test.dead != (q.dead > 0) || len(store.settled)+q.dead != accepted || len(q.messages) > 0 {
					t.Errorf("got %d of %d settled, %d dead letters and %d left; want dead letters: %v", len(store.settled), accepted, q.dead, len(q.messages), test.dead)
				}
			})
		})
	}
}
