package processor

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// HandleSQS settles a batch (Lambda: SQS event source mapping with ReportBatchItemFailures). It starts from "all
// failed" and takes off what is durably settled; once the store is down it tries no further message. The error is
// not nil only when a failure could not be reported by its id, which fails the whole batch.
func (p *Processor) HandleSQS(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	failed := make([]bool, len(event.Records))
	for i := range failed {
		failed[i] = true
	}
	for i := range event.Records {
		err := p.deliver(ctx, &event.Records[i])
		failed[i] = err != nil
		if errors.Is(err, postgres.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	var response events.SQSEventResponse
	reported := map[string]bool{}
	for i, record := range event.Records {
		if !failed[i] || reported[record.MessageId] {
			continue
		}
		if record.MessageId == "" {
			return events.SQSEventResponse{}, errors.New("a message without an id failed")
		}
		reported[record.MessageId] = true
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
		p.backOff(ctx, record)
	}
	return response, nil
}

// deliver settles one record and logs the delivery.
func (p *Processor) deliver(ctx context.Context, record *events.SQSMessage) (err error) {
	start := time.Now()
	attempts := receiveCount(record)
	m, outcome := &queue.Message{}, "failed"
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
		age := time.Since(m.AcceptedAt)
		if m.AcceptedAt.IsZero() {
			age = 0
		}
		p.Observe(outcome, time.Since(start), age)
		attributes := []slog.Attr{
			slog.String("submission", m.ID), slog.String("requestId", m.RequestID), slog.String("org", m.Request.Org),
			slog.String("outcome", outcome), slog.Int("receiveCount", attempts),
			slog.Float64("ms", float64(time.Since(start).Microseconds())/1000),
		}
		level := slog.LevelInfo
		if err != nil {
			level = slog.LevelError
			attributes = append(attributes, slog.String("error", err.Error()))
		}
		p.Log.LogAttrs(ctx, level, "delivery", attributes...)
	}()
	decoded, err := queue.Decode(record.Body)
	if err != nil {
		return err
	}
	m = decoded
	ctx, cancel := context.WithTimeout(ctx, p.ItemTimeout)
	defer cancel()
	state, err := p.Settle(ctx, m, attempts)
	if err != nil {
		return err
	}
	outcome = string(state)
	return nil
}

// The back-off of a failed message: base·2^(receives−1) up to the cap, times a random factor between ½ and 1, so
// that an outage of a day costs about a hundred deliveries and not the queue's maxReceiveCount.
const (
	backOffBase = 2 * time.Second
	backOffCap  = 15 * time.Minute
)

func (p *Processor) backOff(ctx context.Context, record events.SQSMessage) {
	if p.Delay == nil {
		return
	}
	delay := min(backOffBase<<min(receiveCount(&record)-1, 20), backOffCap)
	delay = delay/2 + rand.N(delay/2)
	// Also after the batch's time has run out: without it the message waits for the queue's longer time-out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := p.Delay(ctx, record.ReceiptHandle, delay); err != nil {
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
