package processor_test

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
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

// fair is SQS on the clock of the test as far as fair queues go (SQS Developer Guide, "Amazon SQS fair queues"): what is
// delivered next is of the MessageGroupId that has the fewest messages in flight, the oldest of them. One that is unfair
// knows no groups.
type fair struct {
	unfair   bool
	mu       sync.Mutex
	waiting  []types.Message   // in the order in which they were sent; guarded by mu
	groups   map[string]string // of each message, by its id; guarded by mu
	inFlight map[string]int    // by group; guarded by mu
}

func (q *fair) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
		"QueueArn": "arn:aws:sqs:ap-southeast-2:000000000000:referrals", "MaximumMessageSize": "1048576",
	}}, nil
}

func (q *fair) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := strconv.Itoa(len(q.groups))
	q.groups[id] = aws.ToString(in.MessageGroupId)
	q.waiting = append(q.waiting, types.Message{MessageId: &id, ReceiptHandle: &id, Body: in.MessageBody})
	return &sqs.SendMessageOutput{MessageId: &id}, nil
}

func (q *fair) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	for {
		if out := q.receive(int(in.MaxNumberOfMessages)); len(out) > 0 {
			return &sqs.ReceiveMessageOutput{Messages: out}, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *fair) receive(limit int) (out []types.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(out) < limit && len(q.waiting) > 0 {
		next := q.waiting[0]
		if !q.unfair {
			next = slices.MinFunc(q.waiting, func(a, b types.Message) int {
				return cmp.Compare(q.inFlight[q.groups[*a.MessageId]], q.inFlight[q.groups[*b.MessageId]])
			})
		}
		q.waiting = slices.DeleteFunc(q.waiting, func(m types.Message) bool { return m.MessageId == next.MessageId })
		q.inFlight[q.groups[*next.MessageId]]++
		out = append(out, next)
	}
	return out
}

func (q *fair) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range in.Entries {
		q.inFlight[q.groups[*e.ReceiptHandle]]--
	}
	return &sqs.DeleteMessageBatchOutput{}, nil
}

// settleTime is how long the store takes for one message here.
const settleTime = time.Second / 15

// wait is how long the others' messages wait for their settlement, 99 of 100 at most, at two pollers that are busy for two
// thirds of their time with twenty organisations, when another one sends so many at once.
func (q *fair) wait(t *testing.T, keys *referral.Keys, noise int) time.Duration {
	t.Helper()
	const others, each, pause = 20, 5, time.Second
	checker := schemas.New(schemas.Config{})
	var took []time.Duration
	synctest.Test(t, func(t *testing.T) {
		q.groups, q.inFlight = map[string]string{}, map[string]int{}
		var mu sync.Mutex
		sent := map[referral.Digest]time.Time{} // those of the others; guarded by mu
		store := storeFunc(func(_ context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
			time.Sleep(time.Duration(len(settlements)) * settleTime)
			mu.Lock()
			defer mu.Unlock()
			settled := make([]bool, len(settlements))
			for i, s := range settlements {
				settled[i] = true
				if at, ok := sent[s.Digest]; ok {
					took = append(took, time.Since(at))
				}
			}
			return settled, nil
		})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			err := eventsource.Run(ctx, eventsource.Config{
				Client: q, QueueURL: "referrals", Handler: processor.New(processor.Config{Store: store, Keys: keys, Schemas: checker}).HandleSQS,
				Concurrency: 2, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Error(err)
			}
		})
		f, sender := &fixture{keys: keys}, sqsqueue.New(q, "referrals")
		send := func(org, key string) referral.Digest {
			m := f.message(referral.KeyHeader, key, `{"resourceType":"Bundle","type":"transaction"}`)
			m = f.by(org, m)
			mu.Lock()
			sent[f.keys.Digest(m.Request)] = time.Now()
			mu.Unlock()
			if err := sender.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
			return f.keys.Digest(m.Request)
		}
		for i := range noise {
			digest := send("noisy", strconv.Itoa(i))
			mu.Lock()
			delete(sent, digest)
			mu.Unlock()
		}
		for i := range each {
			for other := range others {
				send("other-"+strconv.Itoa(other), strconv.Itoa(i))
				time.Sleep(pause / others)
			}
		}
		time.Sleep(time.Minute)
		stop()
		running.Wait()
		if len(took) != others*each {
			t.Fatalf("%d settled, want %d", len(took), others*each)
		}
	})
	slices.Sort(took)
	return took[len(took)*99/100]
}

// TestNoisyOrganisationHoldsUpNobody: while one organisation's two hundred messages wait, those of others wait for the
// batch that is under way and for their own, since the queue knows by MessageGroupId whose each is. That is more than twice
// what they wait without it, where pollers are idle. The control is a queue that knows no groups: they wait for all of it.
func TestNoisyOrganisationHoldsUpNobody(t *testing.T) {
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	quiet := (&fair{}).wait(t, keys, 0)
	noisy := (&fair{}).wait(t, keys, 200)
	unfair := (&fair{unfair: true}).wait(t, keys, 200)
	t.Logf("99 of 100 wait up to %v without the noise, %v with it, and %v where the queue knows no groups", quiet, noisy, unfair)
	if batches := quiet + 2*10*settleTime; noisy > batches || unfair < 3*batches {
		t.Errorf("got %v and %v, want at most %v, and three times that", noisy, unfair, batches)
	}
}
