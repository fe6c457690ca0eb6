package telemetry

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// NewLog returns a logger that writes JSON to w, a line a record, from level on.
func NewLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// maxError is how many bytes of an error a line has.
const maxError = 1 << 10

// maxFields is the most that a line has.
const maxFields = 18

// Log writes the request's line: at level error when the server failed, else at info.
func (r *Request) Log(ctx context.Context, log *slog.Logger) {
	level := slog.LevelInfo
	if r.Error != "" && r.Status >= 500 {
		level = slog.LevelError
	}
	if !log.Enabled(ctx, level) {
		return
	}
	l := r.line()
	l = append(l, slog.String("route", r.Route), slog.Int("status", r.Status))
	l = text(l, "code", r.Issue)
	log.LogAttrs(ctx, level, "request", r.ended(l)...)
}

// Log writes the delivery's line, at level.
func (d *Delivery) Log(ctx context.Context, log *slog.Logger, level slog.Level) {
	if !log.Enabled(ctx, level) {
		return
	}
	l := d.line()
	l = append(l, slog.Int("receiveCount", d.ReceiveCount))
	if d.Age > 0 {
		l = append(l, slog.Float64("ageMs", milliseconds(d.Age)))
	}
	l = text(l, "class", d.Class)
	l = text(l, "code", d.Code)
	log.LogAttrs(ctx, level, "delivery", d.ended(l)...)
}

// line begins the fields of a line.
func (e *Event) line() []slog.Attr {
	l := append(make([]slog.Attr, 0, maxFields), slog.String("eventId", e.ID), slog.String("eventType", e.Type), slog.String("outcome", e.Outcome))
	l = text(l, "requestId", e.RequestID)
	l = text(l, "submission", e.Submission)
	l = text(l, "org", e.Org)
	l = text(l, "client", e.Client)
	l = text(l, "resourceType", e.ResourceType)
	l = text(l, "resourceId", e.ResourceID)
	return text(l, "traceId", e.Trace)
}

func (e *Event) ended(l []slog.Attr) []slog.Attr {
	l = append(l, slog.Float64("ms", milliseconds(e.Duration)))
	return text(l, "error", e.Error[:min(len(e.Error), maxError)])
}

// text appends what is not empty.
func text(l []slog.Attr, name, value string) []slog.Attr {
	if value == "" {
		return l
	}
	return append(l, slog.String(name, value))
}

// milliseconds is d to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
