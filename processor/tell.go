package processor

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// interval is when something began and ended.
type interval struct{ start, end time.Time }

// tell logs, counts and traces one delivery. Of what did not come from ingest nothing is said but that it came.
func (p *Processor) tell(ctx context.Context, d *delivery) {
	level := slog.LevelInfo
	if d.err != nil && !errors.Is(d.err, errUnderWay) { // which is in its time
		level = slog.LevelError
	}
	now := time.Now()
	event := telemetry.Delivery{
		Event: telemetry.Event{
			Type: "unknown", Outcome: cmp.Or(string(d.state), telemetry.Failed), Duration: now.Sub(d.start),
		},
		ReceiveCount: receiveCount(d.record), QueueAge: queueAge(d),
		Settled: d.state == referral.Completed || d.state == referral.Rejected,
	}
	event.ID = d.record.MessageId + "/" + strconv.Itoa(event.ReceiveCount)
	if d.err != nil {
		event.Class, event.Code, event.Error = string(d.failure.class), d.failure.code, d.err.Error()
	}
	if d.settlement != nil {
		d.describe(&event, now)
	}
	p.trace(d, &event, now)
	event.Record(p.Metrics)
	event.Log(ctx, p.Log, level)
}

// describe says what is proven of the message. What it is about is the one resource that it writes, or else the request
// that it makes.
func (d *delivery) describe(event *telemetry.Delivery, now time.Time) {
	m, s := d.message, d.settlement
	event.Type, event.RequestID, event.Submission = m.Type, m.RequestID, m.ID
	event.Org, event.Client, event.Age = m.Request.Org, m.Client, now.Sub(m.AcceptedAt)
	path, _, _ := strings.Cut(m.Request.URL, "?")
	name := cmp.Or(s.Request, strings.TrimPrefix(path, "/fhir/"))
	if len(s.Resources) == 1 {
		name = s.Resources[0].Type + "/" + s.Resources[0].ID.String()
	}
	resourceType, id, _ := strings.Cut(name, "/")
	if id, err := referral.ParseUUID(id); err == nil { // else it is another's
		event.ResourceType, event.ResourceID = resourceType, id.String()
	}
}

// trace makes the delivery's span, of its settling and of the transaction, in the trace of the request that was accepted.
func (p *Processor) trace(d *delivery, event *telemetry.Delivery, now time.Time) {
	parent := ""
	if d.settlement != nil {
		parent = d.message.TraceParent
	}
	deliver := p.Tracer.Start(parent, "deliver", telemetry.Consumer, d.start)
	if deliver == nil {
		return
	}
	event.Trace = deliver.TraceID()
	deliver.Set("messaging.message.id", d.record.MessageId)
	deliver.Set("referral.request_id", event.RequestID)
	deliver.Set("referral.submission", event.Submission)
	deliver.Set("referral.event_type", event.Type)
	deliver.Set("referral.outcome", event.Outcome)
	deliver.Set("error.type", event.Code)
	if d.settlement != nil {
		settle := deliver.Child("settle", telemetry.Internal, d.start)
		end := now
		if commit := d.settlement.commit; !commit.end.IsZero() {
			end = commit.end
			settle.Child("commit", telemetry.Client, commit.start).End(commit.end, d.state == "")
		}
		settle.End(end, d.state == "")
	}
	deliver.End(now, d.state == "")
}

// queueAge is how long the message was in the queue when it came, by SQS's clock and ours; 0: nobody knows.
func queueAge(d *delivery) time.Duration {
	sent, err := strconv.ParseInt(d.record.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return 0
	}
	return max(d.start.Sub(time.UnixMilli(sent)), 0)
}
