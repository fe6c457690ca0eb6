// Package telemetry is what the product tells its operators of itself: one log line, the metrics and the spans of each
// request and of each delivery. README.md has every name that it writes.
//
// It promises that whoever is told of waits for nothing: lines that nobody takes are dropped, and counted; that a line,
// a metric or a span has no fields but the typed ones here, whose values are ids, codes and numbers of this software, and
// never a word of a document or of a URL; and that what labels a metric is one of a few words. It leaves to its users
// when something has happened, and to infra/server the Prometheus side of Recorder.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// Telemetry is where a function on Lambda tells of itself. The zero value tells nobody.
type Telemetry struct {
	Log     *slog.Logger
	Metrics Recorder // nil: nobody takes metrics
	Tracer  *Tracer  // nil: nothing is traced
	writer  *Writer
}

// FromSettings returns the telemetry of service, one of ingest, processor and query, which writes to w: its log from
// REFERRAL_LOG_LEVEL on, its metrics where AWS_EMF_NAMESPACE is set, and which sends its traces where
// OTEL_EXPORTER_OTLP_ENDPOINT is set. connections tells how many it has to the store; nil: none ever.
func FromSettings(v *env.Settings, service string, w io.Writer, connections func() int) Telemetry {
	t := Telemetry{writer: NewWriter(w, 0)}
	t.Log = NewLog(t.writer, v.Level("REFERRAL_LOG_LEVEL"))
	if namespace := v.String("AWS_EMF_NAMESPACE", ""); namespace != "" {
		t.Metrics = &EMF{Writer: t.writer, Namespace: namespace, Service: service, Connections: connections}
	}
	t.Tracer = TracerFromSettings(v, service, t.Log)
	return t
}

// flushTime is what an invocation waits at most for what it has told to be taken, beside the time that spans take to
// be sent. Lambda stops a process between events: what has not left it by then leaves with the next event, or never.
const (
	flushTime  = 50 * time.Millisecond
	exportTime = 500 * time.Millisecond
)

// Flush returns when all is taken, or when waiting takes too long. It is for the end of an invocation.
func (t Telemetry) Flush() {
	if t.Tracer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), exportTime)
		t.Tracer.Flush(ctx)
		cancel()
	}
	if t.writer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), flushTime)
		t.writer.Flush(ctx)
		cancel()
	}
}
