package dlq

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// Kept is an archived letter, as its key tells.
type Kept struct {
	Org, ID string // "unknown" and the message's where there is no envelope
	Key     string
}

var letterKey = regexp.MustCompile(`^` + Prefix + `([^/]+)/([^/]+)/[0-9a-f]{64}$`)

// List gives the letters of the archive without reading them.
func (a Archive) List(ctx context.Context, each func(Kept) error) error {
	return a.Store.List(ctx, Prefix, func(o blob.Object) error {
		if parts := letterKey.FindStringSubmatch(o.Key); parts != nil {
			return each(Kept{Org: parts[1], ID: parts[2], Key: o.Key})
		}
		return nil // a body
	})
}

// ErrDamaged says that an object of the archive is no letter that this version can read.
var ErrDamaged = errors.New("not a letter that this version has archived")

// Read returns an archived letter, or ErrDamaged.
func (a Archive) Read(ctx context.Context, key string) (*Letter, error) {
	content, err := a.Store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil || r.Version != 1 {
		return nil, fmt.Errorf("%s: %w", key, ErrDamaged)
	}
	system := map[string]string{string(types.MessageSystemAttributeNameSentTimestamp): fmt.Sprint(r.SentAt)}
	for name, value := range map[types.MessageSystemAttributeName]string{
		types.MessageSystemAttributeNameMessageGroupId: r.GroupID, types.MessageSystemAttributeNameAWSTraceHeader: r.TraceHeader,
	} {
		if value != "" {
			system[string(name)] = value
		}
	}
	attributes := map[string]types.MessageAttributeValue{}
	for name, v := range r.Attributes {
		at := types.MessageAttributeValue{DataType: aws.String(v.Type), BinaryValue: v.Binary}
		if v.Binary == nil {
			at.StringValue = aws.String(v.String)
		}
		attributes[name] = at
	}
	l := newLetter(types.Message{MessageId: &r.MessageID, Body: &r.Body, Attributes: system, MessageAttributes: attributes})
	l.Receives = 0
	return l, nil
}

// PutBack makes sure that the body which an archived letter claims is where processors look for it, or, dry, that it can
// be put there. Without a body anywhere the error is blob.ErrNotFound.
func (a Archive) PutBack(ctx context.Context, l *Letter, key string, dry bool) error {
	if l.Message == nil || l.Message.Claim == "" {
		return nil
	}
	if a.Claims == nil {
		return errNoClaims
	}
	_, err := a.Claims.Get(ctx, l.Message.Claim)
	if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	object, err := a.Store.Get(ctx, key+bodySuffix)
	if err != nil || dry {
		return err
	}
	return a.Claims.Put(ctx, l.Message.Claim, object)
}

// NewLetter makes a letter of a message that was kept elsewhere than in a dead-letter queue.
func NewLetter(text, org string) *Letter {
	return newLetter(types.Message{Body: &text, Attributes: map[string]string{string(types.MessageSystemAttributeNameMessageGroupId): org}})
}

// Outbox sends letters to the queue at To, at most Rate a second in the long run. Close sends what is left. It is for one
// goroutine at a time.
type Outbox struct {
	Queue *Queue // whose client is used
	To    string
	Rate  int
	Done  func(sent int) // is told how many the queue has acknowledged so far; nil: nobody

	sent    int
	begun   time.Time
	waiting []*Letter
}

// Sent is how many letters the queue has acknowledged.
func (o *Outbox) Sent() int { return o.sent }

// Add sends l, or keeps it until there are enough for a batch.
func (o *Outbox) Add(ctx context.Context, l *Letter) error {
	if o.waiting = append(o.waiting, l); len(o.waiting) < batch && fitting(o.waiting) == len(o.waiting) {
		return nil
	}
	return o.flush(ctx, false)
}

// Close sends what is left.
func (o *Outbox) Close(ctx context.Context) error { return o.flush(ctx, true) }

// flush sends full batches, and where all is meant the rest.
func (o *Outbox) flush(ctx context.Context, all bool) error {
	if o.begun.IsZero() {
		o.begun = time.Now()
	}
	for len(o.waiting) > 0 {
		some := o.waiting[:fitting(o.waiting)]
		if !all && len(some) == len(o.waiting) && len(some) < batch {
			return nil
		}
		if err := sleep(ctx, time.Until(o.begun.Add(time.Duration(o.sent)*time.Second/time.Duration(o.Rate)))); err != nil {
			return err
		}
		acknowledged, err := o.Queue.send(ctx, o.To, some)
		o.sent += len(acknowledged)
		if o.Done != nil {
			o.Done(o.sent)
		}
		if err != nil {
			return err
		}
		o.waiting = o.waiting[len(some):]
	}
	return nil
}

// Restoring is a restoration of archived letters to the dead-letter queue.
type Restoring struct {
	From   Archive
	Filter Filter
	Limit  int                                             // 0: all
	Wanted func(ctx context.Context, k Kept) (bool, error) // tells whether a letter is, before it is read
	Rate   int                                             // letters a second
	Dry    bool                                            // nothing is sent
	Done   func(sent int)
}

// Restored is what a restoration came to.
type Restored struct {
	Restored int `json:"restored"` // or would be
	There    int `json:"there"`    // in the dead-letter queue already
	Unwanted int `json:"settled"`
	Bodiless int `json:"lostClaims"` // restored all the same, though the body that is claimed is nowhere
}

// Restore sends archived letters to the dead-letter queue, each body once and none that is in the queue already: with
// their body, attributes and message group. What others have received at the time is not seen, and may then be there
// twice, which settles once. What cannot be read is told by the error, and does not keep the others from being restored.
func (q *Queue) Restore(ctx context.Context, r Restoring) (done Restored, err error) {
	there := map[[32]byte]bool{}
	if _, err := q.Scan(ctx, Filter{}, 0, func(_ context.Context, letters []*Letter) error {
		for _, l := range letters {
			there[sha256.Sum256([]byte(l.Body()))] = true
		}
		return nil
	}); err != nil {
		return done, err
	}
	outbox := &Outbox{Queue: q, To: q.URL, Rate: r.Rate, Done: r.Done}
	enough := errors.New("enough")
	var damaged error
	err = r.From.List(ctx, func(k Kept) error {
		if r.Limit > 0 && done.Restored == r.Limit {
			return enough
		}
		if wanted, err := r.Wanted(ctx, k); err != nil || !wanted {
			done.Unwanted++
			return err
		}
		l, err := r.From.Read(ctx, k.Key)
		if errors.Is(err, ErrDamaged) {
			damaged = errors.Join(damaged, err)
			return nil
		}
		if err != nil || !r.Filter.takes(l) {
			return err
		}
		sum := sha256.Sum256([]byte(l.Body()))
		if there[sum] {
			done.There++
			return nil
		}
		there[sum] = true
		done.Restored++
		switch err := r.From.PutBack(ctx, l, k.Key, r.Dry); {
		case errors.Is(err, blob.ErrNotFound):
			done.Bodiless++
		case err != nil:
			return err
		}
		if r.Dry {
			return nil
		}
		return outbox.Add(ctx, l)
	})
	if errors.Is(err, enough) {
		err = nil
	}
	if err == nil {
		err = outbox.Close(ctx)
	}
	if !r.Dry {
		done.Restored = outbox.Sent()
	}
	return done, errors.Join(err, damaged)
}
