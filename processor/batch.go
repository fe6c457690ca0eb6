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
// failed" and takes off what is durably settled, or quarantined. The messages share one transaction; when that fails for a
// reason of one of them, each is settled alone, so that a bad one does not hold up the others. The error is not nil only when a
// failure could not be reported by its id, which fails the whole batch.
func (p *Processor) HandleSQS(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	deliveries := make([]*delivery, len(event.Records))
	for i := range event.Records {
		deliveries[i] = &delivery{record: &event.Records[i], start: time.Now(), err: errNotTried}
		if i == 0 || p.mayStart(ctx) {
			p.take(ctx, deliveries[i])
		}
	}
	p.settleTogether(ctx, deliveries)
	down := slices.ContainsFunc(deliveries, (*delivery).storeDown) // then every further try is vain
	for i, d := range deliveries {
		if d.ready && d.state == "" && !down && (i == 0 || p.mayStart(ctx)) {
			p.settleAlone(ctx, d)
			down = d.storeDown()
		}
		if d.err != nil {
			p.giveUp(ctx, d)
		}
		p.tell(ctx, d)
	}
	return p.report(ctx, deliveries)
}

// mayStart tells whether one more message has all the time that it may take, and there is enough left to report it. Cut
// short it would have been work for nothing. The first of a batch is tried whatever there is: else a function that is
// given too little time would do nothing at all.
func (p *Processor) mayStart(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return ctx.Err() == nil && (!limited || time.Until(deadline) >= p.ItemTimeout+backOffTimeout)
}

// delivery is one record on its way.
type delivery struct {
	record     *events.SQSMessage
	start      time.Time
	message    *queue.Message // nil until it is decoded
	settlement *settlement    // nil until it is proven to be ingest's
	ready      bool           // whether the settlement is prepared
	state      referral.State // empty until it is durable what became of it
	err        error          // why it has not settled
	failure    failure        // what err means
}

func (d *delivery) storeDown() bool { return errors.Is(d.err, postgres.ErrUnavailable) }

// errNotTried is the error of a message whose turn did not come: the store went away, or the batch's time was up.
var errNotTried = errors.New("not tried")

// errPanic is the error of what panicked.
var errPanic = errors.New("panic")

// take decodes and prepares a record.
func (p *Processor) take(ctx context.Context, d *delivery) {
	err := p.limited(ctx, func(ctx context.Context) (err error) {
		if d.message, err = queue.Decode(d.record.Body); err != nil {
			return err
		}
		s, err := prove(p.Keys, d.message, receiveCount(d.record))
		if err != nil {
			return err
		}
		d.settlement = &settlement{Settlement: s}
		return p.prepare(ctx, d.message, d.settlement)
	})
	if d.ready = err == nil; err != nil {
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
			err = fmt.Errorf("%w of type %T", errPanic, v)
		}
	}()
	return f(ctx)
}

// settleTogether settles all that is prepared in one transaction, or nothing. They are written in the order of their
// digests, so that two batches that share messages do not wait for each other in a circle.
func (p *Processor) settleTogether(ctx context.Context, deliveries []*delivery) {
	var prepared []*delivery
	for _, d := range deliveries {
		if d.ready && d.settlement.plan == nil && !slices.ContainsFunc(prepared, d.sameSubmission) {
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
	start := time.Now()
	err := p.limited(ctx, func(ctx context.Context) (err error) {
		settled, err = p.Store.Settle(ctx, settlements...)
		return err
	})
	end := time.Now()
	for i, d := range prepared {
		d.settlement.commit = interval{start, end}
		switch {
		case err == nil:
			d.state, d.err = d.settlement.outcome(settled[i]), nil
		case errors.Is(err, postgres.ErrUnavailable): // of all
			d.err = err
		default: // of one of them, nobody knows of which
			d.err = errNotTried
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
		if d.state != "" || reported[d.record.MessageId] {
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

// The back-off of a failed message: BackOff·2^(receives−1) up to the cap, times a random factor between ½ and 1, so
// that an outage of a day costs about a hundred deliveries and not the queue's maxReceiveCount.
const (
	backOffCap = 15 * time.Minute

	// Of a message that needs what another one creates, which is likely just being delivered.
	underWayBase = time.Second
	underWayCap  = 15 * time.Second

	backOffTimeout = 400 * time.Millisecond // for the queue to take it
)

func (p *Processor) backOff(ctx context.Context, d *delivery) {
	if p.Delay == nil {
		return
	}
	base, limit := p.BackOff, backOffCap
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
