package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// trial is a command on queues of its own, one call of which goes wrong.
type trial struct {
	name     string
	run      func(context.Context, *trial) error
	post     *post
	archived map[string]bool // submissions

	mu        sync.Mutex
	interrupt context.CancelFunc // of the run under way, guarded by mu
}

// once runs the command, which stop interrupts.
func (tr *trial) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tr.mu.Lock()
	tr.interrupt = cancel
	tr.mu.Unlock()
	return tr.run(ctx, tr)
}

func (tr *trial) stop() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.interrupt()
}

// again runs the command until it ends well.
func (tr *trial) again(ctx context.Context) (err error) {
	for range 3 {
		if err = tr.once(ctx); err == nil {
			return nil
		}
	}
	return err
}

// ways are how a call goes wrong. The last one interrupts the command while SQS does what it was asked for.
func (tr *trial) ways(nth int) map[string]localsqs.Fault {
	return map[string]localsqs.Fault{
		"fails":           {On: localsqs.Calls(nth), Ending: localsqs.EndError},
		"is lost":         {On: localsqs.Calls(nth), Ending: localsqs.EndCut},
		"loses an answer": {On: localsqs.Calls(nth), Ending: localsqs.EndCut, After: true},
		"is interrupted": {On: func(call int) bool {
			if call == nth {
				tr.stop()
			}
			return false
		}},
	}
}

// TestNothingIsLostWhateverCallGoesWrong lets each kind of call go wrong in each way, at the first time and at the
// second, and runs the same command again. In the end each letter has arrived as it was, some perhaps twice.
func TestNothingIsLostWhateverCallGoesWrong(t *testing.T) {
	t.Parallel()
	const letters = 14
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var trials []*trial
	var faults []localsqs.Fault
	for _, c := range []struct {
		name  string
		calls []string
		run   func(context.Context, *trial) error
	}{
		{"replay", []string{"ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}, func(ctx context.Context, tr *trial) error {
			if _, err := tr.post.dead.Replay(ctx, dlq.Replay{To: tr.post.to, Rate: 500, Filter: dlq.Filter{Class: "bug"}}); err != nil {
				return err
			}
			_, err := tr.post.dead.Replay(ctx, dlq.Replay{To: tr.post.to, Rate: 500})
			return err
		}},
		{"move", []string{"GetQueueAttributes", "StartMessageMoveTask", "ListMessageMoveTasks"}, func(ctx context.Context, tr *trial) error {
			_, err := tr.post.dead.Move(ctx, tr.post.to, 50, nil)
			return err
		}},
		{"discard", []string{"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}, func(ctx context.Context, tr *trial) error {
			return tr.post.dead.Discard(ctx, dlq.Filter{}, 0, dlq.Archive{Store: store}, func(_ context.Context, l *dlq.Letter) error {
				if !tr.archived[l.ID()] {
					return errors.New("it is ended before it is archived")
				}
				return nil
			}, func(a dlq.Archived) { tr.archived[a.ID] = true })
		}},
	} {
		for _, call := range c.calls {
			for nth := 1; nth <= 2; nth++ {
				for way := range (*trial)(nil).ways(nth) {
					tr := &trial{name: fmt.Sprintf("%s, where %s %d %s", c.name, call, nth, way), run: c.run, archived: map[string]bool{}}
					fault := tr.ways(nth)[way]
					fault.Action, fault.Queue = call, fmt.Sprintf("dead-%d", len(trials))
					if call == "SendMessageBatch" {
						fault.Action, fault.Queue = call, fmt.Sprintf("main-%d", len(trials))
					}
					trials, faults = append(trials, tr), append(faults, fault)
				}
			}
		}
	}
	client, clock := serve(t, faults...)
	for i, tr := range trials {
		tr.post = newPost(t, client, fmt.Sprint(i))
	}
	each(t, trials, func(ctx context.Context, tr *trial) error {
		for i := range letters {
			body := encode(t, envelope(orgA, i, time.Now()))
			class := map[string]string{}
			if i%2 == 0 {
				class["Class"] = "bug"
			}
			entry := tr.post.entry(body, orgA, class)
			_, err := client.SendMessage(ctx, &sqs.SendMessageInput{
				QueueUrl: &tr.post.dead.URL, MessageBody: &body, MessageGroupId: entry.MessageGroupId,
				MessageAttributes: entry.MessageAttributes, MessageSystemAttributes: entry.MessageSystemAttributes,
			})
			if err != nil {
				return err
			}
		}
		return tr.again(ctx)
	})
	clock.advance(time.Hour) // what a command could not give back, or never got an answer about, is visible again
	each(t, trials, func(ctx context.Context, tr *trial) error {
		if err := tr.again(ctx); err != nil {
			return err
		}
		left, err := tr.post.drain(ctx, tr.post.dead.URL)
		if err != nil || len(left) > 0 {
			return fmt.Errorf("%d letters are left, error %w", len(left), err)
		}
		arrived, err := tr.post.drain(ctx, tr.post.to)
		if n := len(arrived) + len(tr.archived); err != nil || n != letters {
			return fmt.Errorf("%d letters have arrived of %d, error %w", n, letters, err)
		}
		return nil
	})
}

// each does something with all trials, some at a time.
func each(t *testing.T, trials []*trial, do func(context.Context, *trial) error) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(24)
	for _, tr := range trials {
		group.Go(func() error {
			if err := do(t.Context(), tr); err != nil {
				t.Errorf("%s: %v", tr.name, err)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are told
}

// TestReplayWhileOthersReceive replays while the queue's consumer works and somebody looks at the dead letters and gives
// them back. Each letter arrives as it was.
func TestReplayWhileOthersReceive(t *testing.T) {
	t.Parallel()
	const letters = 300
	client, clock := serve(t)
	p := newPost(t, client, "x")
	p.fill(t, letters)
	ctx, stop := context.WithCancel(t.Context())
	var others errgroup.Group
	got := map[string]int{}
	others.Go(func() error {
		for ctx.Err() == nil {
			some, err := p.drain(t.Context(), p.to)
			if err != nil {
				return err
			}
			for body, n := range some {
				got[body] += n
			}
		}
		return nil
	})
	others.Go(func() error {
		for ctx.Err() == nil {
			out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &p.dead.URL, MaxNumberOfMessages: 3, VisibilityTimeout: 60})
			if err != nil {
				return err
			}
			for _, m := range out.Messages {
				_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &p.dead.URL, ReceiptHandle: m.ReceiptHandle})
				if _, late := errors.AsType[*types.MessageNotInflight](err); err != nil && !late {
					return err
				}
			}
		}
		return nil
	})
	for sent := 0; sent < letters; {
		passed := 0
		for _, f := range []dlq.Filter{{Class: "bug"}, {}} {
			n, err := p.dead.Replay(t.Context(), dlq.Replay{To: p.to, Rate: 500, Filter: f})
			if err != nil {
				t.Fatal(err)
			}
			passed += n
		}
		if sent += passed; passed == 0 {
			clock.advance(time.Hour) // for what was received by nobody who knows
		}
	}
	stop()
	if err := others.Wait(); err != nil {
		t.Fatal(err)
	}
	rest, err := p.drain(t.Context(), p.to)
	if err != nil {
		t.Fatal(err)
	}
	for body, n := range rest {
		got[body] += n
	}
	for body := range p.sent {
		if got[body] == 0 {
			t.Errorf("%.60s has not arrived", body)
		}
	}
	p.want(t, p.dead.URL, 0)
}
