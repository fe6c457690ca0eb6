// Package dlq looks at the dead letters of a queue on Amazon SQS, sends them to it again, archives, restores and discards
// them.
//
// It promises that a letter is deleted only when it is durable elsewhere: acknowledged by the queue that it is sent to
// again, or archived and read back. Whatever interrupts it, a letter is where it was, where it should go, or in both
// places, with the same body and attributes; the processor's inbox makes twice once. Running the same again goes on.
//
// SQS shows a message only to who receives it. So looking hides letters from others for a while, and counts as a
// receive of each.
package dlq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// Queue is a dead-letter queue. It is for one goroutine at a time.
type Queue struct {
	Client *sqs.Client
	URL    string
}

const (
	batch = 10 // messages of one request (SQS message quotas)

	// hold is how long letters are hidden while others are looked at; all are visible again when that is done.
	hold = 5 * time.Minute
	// finish is how long what has been begun may go on after an interruption.
	finish = 30 * time.Second
	// patience is how many receives may bring nothing but what was seen before.
	patience = 100
)

// Letter is one dead letter.
type Letter struct {
	Message   *queue.Message // nil: no envelope that this version can read
	Newer     bool           // because a newer version has made it
	MessageID string         // SQS's, which changes with every move
	Class     string         // of the failure, by the message attribute Class; empty: the queue itself moved it
	Code      string         // what failed, by the message attribute Code
	SentAt    time.Time      // when SQS got it first, from which its retention counts
	Receives  int            // before this look
	received  types.Message
}

func newLetter(m types.Message) *Letter {
	sent, _ := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	receives, _ := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	l := &Letter{
		MessageID: aws.ToString(m.MessageId), SentAt: time.UnixMilli(sent).UTC(), Receives: receives - 1, received: m,
		Class: aws.ToString(m.MessageAttributes["Class"].StringValue), Code: aws.ToString(m.MessageAttributes["Code"].StringValue),
	}
	decoded, err := queue.Decode(aws.ToString(m.Body))
	if l.Newer = errors.Is(err, queue.ErrVersion); err == nil {
		l.Message = decoded
	}
	return l
}

// ErrNewer says that there are letters of a newer version, of which this one can tell neither the submission nor the body.
var ErrNewer = errors.New("there are dead letters of a newer version, which this one cannot read: use that version's referralctl")

// ID is the submission's, or where there is no envelope the message's.
func (l *Letter) ID() string {
	if l.Message == nil {
		return l.MessageID
	}
	return l.Message.ID
}

// Org is the sender's organisation, or empty.
func (l *Letter) Org() string {
	if l.Message == nil {
		return ""
	}
	return l.Message.Request.Org
}

// Type is that of the Bundle, or empty.
func (l *Letter) Type() string {
	if l.Message == nil {
		return ""
	}
	return l.Message.Type
}

// Since is when the submission was accepted, or where there is no envelope when SQS got the message.
func (l *Letter) Since() time.Time {
	if l.Message == nil {
		return l.SentAt
	}
	return l.Message.AcceptedAt
}

// Body is the body of the message: patient data.
func (l *Letter) Body() string { return aws.ToString(l.received.Body) }

// Filter chooses letters; what is empty chooses all.
type Filter struct {
	ID                     string // of the submission or the message
	Org, Type, Class, Code string
	Older                  time.Duration // accepted at least so long ago
}

func (f Filter) takes(l *Letter) bool {
	is := func(want string, got ...string) bool {
		for _, g := range got {
			if want == g {
				return true
			}
		}
		return want == ""
	}
	return is(f.ID, l.ID(), l.MessageID) && is(f.Org, l.Org()) && is(f.Type, l.Type()) && is(f.Class, l.Class) && is(f.Code, l.Code) &&
		(f.Older == 0 || time.Since(l.Since()) >= f.Older)
}

// held is a letter that was received.
type held struct {
	receipt *string
	gone    bool // deleted, as far as SQS said
}

// scan is one look through the queue.
type scan struct {
	*Queue
	mu    sync.Mutex
	held  map[string]*held // by message id; guarded by mu
	given int              // letters that act has had; guarded by mu
}

// Scan gives the letters that f takes to act, up to ten at a time and each once, until there are no more or act has
// had limit of them; 0 is no limit. It returns how many act has had. All that act does not delete is visible again
// when Scan returns. What others have received is not seen.
func (q *Queue) Scan(ctx context.Context, f Filter, limit int, act func(context.Context, []*Letter) error) (int, error) {
	return q.scan(ctx, f, limit, 1, func(ctx context.Context, _ *scan, letters []*Letter) error { return act(ctx, letters) })
}

// scan is Scan with so many receivers at once, each of which calls act.
func (q *Queue) scan(ctx context.Context, f Filter, limit, receivers int, act func(context.Context, *scan, []*Letter) error) (given int, err error) {
	s := &scan{Queue: q, held: map[string]*held{}}
	group, inTime := errgroup.WithContext(ctx)
	for range receivers {
		group.Go(func() error { return s.run(inTime, f, limit, act) })
	}
	err = group.Wait()
	if releaseErr := s.release(ctx); err == nil {
		err = releaseErr
	}
	return s.given, err
}

func (s *scan) run(ctx context.Context, f Filter, limit int, act func(context.Context, *scan, []*Letter) error) error {
	for vain := 0; vain < patience; vain++ {
		letters, empty, err := s.receive(ctx)
		if err != nil || empty {
			return err
		}
		taken, enough := s.take(letters, f, limit)
		if len(taken) > 0 {
			if err := act(ctx, s, taken); err != nil {
				return err
			}
		}
		if enough {
			return nil
		}
		if len(letters) > 0 {
			vain = -1
		}
	}
	return nil
}

// take returns the letters that f takes, up to the limit of all, and whether that is reached.
func (s *scan) take(letters []*Letter, f Filter, limit int) (taken []*Letter, enough bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range letters {
		if f.takes(l) && (limit == 0 || s.given < limit) {
			taken = append(taken, l)
			s.given++
		}
	}
	return taken, limit > 0 && s.given == limit
}

// receive returns letters that were not seen before, and whether there was nothing at all. What was deleted and has
// come back, as SQS allows, is deleted again.
func (s *scan) receive(ctx context.Context) (fresh []*Letter, empty bool, err error) {
	out, err := s.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.URL, MaxNumberOfMessages: batch, VisibilityTimeout: int32(hold.Seconds()), WaitTimeSeconds: 1,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, false, fmt.Errorf("receive dead letters: %w", err)
	}
	fresh, back := s.hold(out.Messages)
	return fresh, len(out.Messages) == 0, s.delete(ctx, back)
}

// hold remembers what was received, and returns what was not seen before, and what was deleted and has come back.
func (s *scan) hold(messages []types.Message) (fresh, back []*Letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		l, h := newLetter(m), s.held[*m.MessageId]
		switch {
		case h == nil:
			s.held[l.MessageID] = &held{receipt: m.ReceiptHandle}
			fresh = append(fresh, l)
			continue
		case h.gone:
			back = append(back, l)
		}
		h.receipt = m.ReceiptHandle
	}
	return fresh, back
}

// delete removes letters that are durable elsewhere, also after an interruption: the fewer are in both places.
func (s *scan) delete(ctx context.Context, letters []*Letter) error {
	if len(letters) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	var entries []types.DeleteMessageBatchRequestEntry
	for i, l := range letters {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: l.received.ReceiptHandle})
	}
	out, err := s.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.URL, Entries: entries})
	if err != nil {
		return fmt.Errorf("delete dead letters that are safe elsewhere (doing it all again is harmless): %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range out.Successful {
		i, _ := strconv.Atoi(aws.ToString(e.Id))
		s.held[letters[i].MessageID].gone = true
	}
	return failed("delete dead letters that are safe elsewhere (doing it all again is harmless)", out.Failed)
}

// release makes visible what is left, also after an interruption.
func (s *scan) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(8)
	var entries []types.ChangeMessageVisibilityBatchRequestEntry
	flush := func() {
		some := entries
		entries = nil
		group.Go(func() error {
			// An entry fails when somebody else has the letter by now, who will do as he does.
			_, err := s.Client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &s.URL, Entries: some})
			return err
		})
	}
	for _, h := range s.held { // which nobody changes any more
		if h.gone {
			continue
		}
		entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(len(entries))), ReceiptHandle: h.receipt})
		if len(entries) == batch {
			flush()
		}
	}
	if len(entries) > 0 {
		flush()
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("give dead letters back (they are visible again in %v): %w", hold, err)
	}
	return nil
}

// failed is the error of a batch of which SQS refused entries.
func failed(operation string, entries []types.BatchResultErrorEntry) error {
	if len(entries) == 0 {
		return nil
	}
	return fmt.Errorf("%s: SQS refused %d of a batch, with %s", operation, len(entries), aws.ToString(entries[0].Code))
}
