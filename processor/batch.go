package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// HandleSQS settles a batch (Lambda: SQS event source mapping with ReportBatchItemFailures). It starts from "all
// failed" and takes off what is durably settled. The messages share one transaction; when that fails for a reason of
// one of them, each is settled alone, so that a bad one does not hold up the others. The error is not nil only when a
// failure could not be reported by its id, which fails the whole batch.
func (p *Processor) HandleSQS(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	deliveries := make([]*delivery, len(event.Records))
	for i := range event.Records {
		deliveries[i] = &delivery{record: &event.Records[i], start: time.Now(), err: errNotTried}
		p.take(ctx, deliveries[i])
	}
	p.settleTogether(ctx, deliveries)
	down := false // then every further try is vain
	for _, d := range deliveries {
		down = down || errors.Is(d.err, postgres.ErrUnavailable)
		if d.settlement != nil && d.state == "" && !down && ctx.Err() == nil {
			p.settleAlone(ctx, d)
		}
		p.tell(ctx, d)
	}
	return p.report(ctx, deliveries)
}

// delivery is one record on its way.
type delivery struct {
	record     *events.SQSMessage
	start      time.Time
	message    *queue.Message // nil until it is decoded
	settlement *settlement    // nil until it is prepared
	state      referral.State // empty until it is settled
	err        error          // why it is not
}

// errNotTried is the error of a message whose turn did not come.
var errNotTried = errors.New("not tried: the time for the batch was up")

// take decodes and prepares a record.
func (p *Processor) take(ctx context.Context, d *delivery) {
	err := p.limited(ctx, func(ctx context.Context) (err error) {
		if d.message, err = queue.Decode(d.record.Body); err != nil {
			return err
		}
		d.settlement, err = p.prepare(ctx, d.message, receiveCount(d.record))
		return err
	})
	if err != nil {
		d.err = err
	}
}

// limited calls f with the time that one transaction has. A panic becomes an error that names its type, never its
// value.
func (p *Processor) limited(ctx context.Context, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, p.ItemTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic of type %T", v)
		}
	}()
	return f(ctx)
}

// settleTogether settles all that is prepared in one transaction, or nothing. They are written in the order of their
// digests, so that two batches that share messages do not wait for each other in a circle.
func (p *Processor) settleTogether(ctx context.Context, deliveries []*delivery) {
	var prepared []*delivery
	for _, d := range deliveries {
		if d.settlement != nil && d.settlement.plan == nil && !slices.ContainsFunc(prepared, d.sameSubmission) {
			prepared = append(prepared, d)
		}
	}
	if len(prepared) < 2 {
		return // settled alone, which says more of what went wrong
	}
	slices.SortFunc(prepared, func(a, b *delivery) int {
		return bytes.Compare(a.settlement.Digest[:], b.settlement.Digest[:])
	})
	settlements := make([]*postgres.Settlement, len(prepared))
	for i, d := range prepared {
		settlements[i] = d.settlement.Settlement
	}
	var settled []bool
	err := p.limited(ctx, func(ctx context.Context) (err error) {
		settled, err = p.Store.Settle(ctx, settlements...)
		return err
	})
	for i, d := range prepared {
		if d.err = err; err == nil {
			d.state = d.settlement.outcome(settled[i])
		}
	}
}

func (d *delivery) sameSubmission(other *delivery) bool {
	return d.settlement.Digest == other.settlement.Digest && d.settlement.Org == other.settlement.Org
}

func (p *Processor) settleAlone(ctx context.Context, d *delivery) {
	d.err = p.limited(ctx, func(ctx context.Context) (err error) {
		d.state, err = p.write(ctx, d.settlement)
		return err
	})
}

// report returns the failures, each id once, and puts them off, all at the same time.
func (p *Processor) report(ctx context.Context, deliveries []*delivery) (events.SQSEventResponse, error) {
	var backingOff sync.WaitGroup
	defer backingOff.Wait()
	var response events.SQSEventResponse
	reported := map[string]bool{}
	for _, d := range deliveries {
		if d.err == nil || reported[d.record.MessageId] {
			continue
		}
		if d.record.MessageId == "" {
			return events.SQSEventResponse{}, errors.New("a message without an id failed")
		}
		reported[d.record.MessageId] = true
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: d.record.MessageId})
		backingOff.Go(func() { p.backOff(ctx, d) })
	}
	return response, nil
}

// tell logs and counts one delivery.
func (p *Processor) tell(ctx context.Context, d *delivery) {
	outcome, level := string(d.state), slog.LevelInfo
	switch {
	case errors.Is(d.err, errUnderWay):
		outcome, level = "failed", slog.LevelInfo // in its time
	case d.err != nil:
		outcome, level = "failed", slog.LevelError
	}
	took, age := time.Since(d.start), time.Duration(0)
	attributes := []slog.Attr{
		slog.String("outcome", outcome), slog.Int("receiveCount", receiveCount(d.record)),
		slog.Float64("ms", float64(took.Microseconds())/1000),
	}
	if m := d.message; m != nil {
		age = time.Since(m.AcceptedAt)
		attributes = append(attributes, slog.String("submission", m.ID), slog.String("requestId", m.RequestID), slog.String("org", m.Request.Org))
	}
	if d.err != nil {
		attributes = append(attributes, slog.String("error", d.err.Error()))
	}
	p.Observe(outcome, took, age)
	p.Log.LogAttrs(ctx, level, "delivery", attributes...)
}

// The back-off of a failed message: base·2^(receives−1) up to the cap, times a random factor between ½ and 1, so
// that an outage of a day costs about a hundred deliveries and not the queue's maxReceiveCount.
const (
	backOffBase = 2 * time.Second
	backOffCap  = 15 * time.Minute

	// Of a message that needs what another one creates, which is likely just being delivered.
	underWayBase = time.Second
	underWayCap  = 15 * time.Second

	backOffTimeout = 400 * time.Millisecond // for the queue to take it
)

func (p *Processor) backOff(ctx context.Context, d *delivery) {
	if p.Delay == nil {
		return
	}
	base, limit := backOffBase, backOffCap
	if errors.Is(d.err, errUnderWay) {
		base, limit = underWayBase, underWayCap
	}
	delay := min(base<<min(receiveCount(d.record)-1, 20), limit)
	delay = delay/2 + rand.N(delay/2)
	// Also after the batch's time has run out: without it the message waits for the queue's longer time-out. But not
	// for long: Lambda has kept no more than half a second for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backOffTimeout)
	defer cancel()
	if err := p.Delay(ctx, d.record.ReceiptHandle, delay); err != nil {
		p.Log.LogAttrs(ctx, slog.LevelWarn, "back-off", slog.String("error", err.Error()))
	}
}

// receiveCount is SQS's ApproximateReceiveCount: deliveries so far, this one included.
func receiveCount(record *events.SQSMessage) int {
	n, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 1 {
		return 1
	}
	return n
}
