package telemetry

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"time"
)

// Tracer makes spans. A nil Tracer makes none, and a nil *Span is one that nobody wants: all that is done to it costs a
// comparison. It is safe for concurrent use; a Span is for one goroutine at a time.
type Tracer struct {
	exporter *exporter
}

// SpanKind is the role that a span has in a trace (OTLP trace.proto, Span.SpanKind).
type SpanKind int

// The kinds of spans.
const (
	Internal SpanKind = 1
	Server   SpanKind = 2
	Client   SpanKind = 3
	Producer SpanKind = 4
	Consumer SpanKind = 5
)

// Span is a piece of work in a trace.
type Span struct {
	tracer     *Tracer
	name       string
	kind       SpanKind
	trace      [16]byte
	id, parent [8]byte // parent is zero where the trace begins here
	start, end time.Time
	attributes []attribute
	failed     bool
}

type attribute struct{ key, value string }

// traceParent is version 00 of W3C Trace Context §3.2: trace, parent and flags.
var traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$`)

// TraceParent returns a traceparent header where it is one, else "".
func TraceParent(header string) string {
	if traceParent.MatchString(header) && header[3:35] != noTrace && header[36:52] != noSpan {
		return header
	}
	return ""
}

// What no trace and no span is called (W3C Trace Context §3.2.2.3, §3.2.2.4).
const (
	noTrace = "00000000000000000000000000000000"
	noSpan  = "0000000000000000"
)

// Start begins a span in the trace of a traceparent, or, where that is none, a trace. It is nil when whoever began the
// trace has chosen not to record it.
func (t *Tracer) Start(parent, name string, kind SpanKind, start time.Time) *Span {
	if t == nil {
		return nil
	}
	s := &Span{tracer: t, name: name, kind: kind, start: start}
	_, _ = rand.Read(s.id[:]) // it never fails
	if TraceParent(parent) == "" {
		_, _ = rand.Read(s.trace[:])
		return s
	}
	var flags [1]byte
	_, _ = hex.Decode(flags[:], []byte(parent[53:]))
	if flags[0]&sampled == 0 {
		return nil
	}
	_, _ = hex.Decode(s.trace[:], []byte(parent[3:35]))
	_, _ = hex.Decode(s.parent[:], []byte(parent[36:52]))
	return s
}

// sampled is the flag of a trace that is recorded (W3C Trace Context §3.2.2.5.1).
const sampled = 1

// Child begins a span within s.
func (s *Span) Child(name string, kind SpanKind, start time.Time) *Span {
	if s == nil {
		return nil
	}
	c := &Span{tracer: s.tracer, name: name, kind: kind, start: start, trace: s.trace, parent: s.id}
	_, _ = rand.Read(c.id[:])
	return c
}

// TraceParent is what makes s the parent of spans elsewhere; of no span it is "".
func (s *Span) TraceParent() string {
	if s == nil {
		return ""
	}
	return "00-" + s.TraceID() + "-" + hex.EncodeToString(s.id[:]) + "-01"
}

// TraceID is the id of the trace in hexadecimal; of no span it is "".
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return hex.EncodeToString(s.trace[:])
}

// Set says something of the span, unless value is empty: an id, a code or a word of this software.
func (s *Span) Set(key, value string) {
	if s != nil && value != "" {
		s.attributes = append(s.attributes, attribute{key, value})
	}
}

// End ends the span, which is sent some time later. What failed says so, and not why: the log has that.
func (s *Span) End(end time.Time, failed bool) {
	if s == nil {
		return
	}
	s.end, s.failed = end, failed
	s.tracer.exporter.add(s)
}
