package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// TracerFromSettings returns a Tracer that sends to OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_HEADERS, and
// nil where that is not set (OpenTelemetry specification, "OpenTelemetry Protocol Exporter"). log is told, seldom, when
// spans are lost.
func TracerFromSettings(v *env.Settings, service string, log *slog.Logger) *Tracer {
	endpoint, list := v.String("OTEL_EXPORTER_OTLP_ENDPOINT", ""), v.List("OTEL_EXPORTER_OTLP_HEADERS")
	if endpoint == "" {
		return nil
	}
	headers := http.Header{"Content-Type": {"application/json"}}
	for _, pair := range list {
		name, value, ok := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(value)
		if !ok || err != nil {
			v.Wrong("OTEL_EXPORTER_OTLP_HEADERS", "name=value, separated by commas")
			continue
		}
		headers.Set(strings.TrimSpace(name), decoded)
	}
	return NewTracer(v.URL("OTEL_EXPORTER_OTLP_ENDPOINT", ""), headers, service, log)
}

// NewTracer returns a Tracer that sends spans to a collector by OTLP/HTTP, in its JSON encoding, at the path v1/traces
// under endpoint. It is code of our own: the SDK's exporter brings gRPC along, more than half a function's size.
func NewTracer(endpoint *url.URL, headers http.Header, service string, log *slog.Logger) *Tracer {
	return &Tracer{&exporter{
		url: endpoint.JoinPath("v1/traces").String(), headers: headers, service: service, log: log,
		client: &http.Client{Timeout: exportTimeout}, due: make(chan struct{}, 1),
	}}
}

const (
	exportTimeout = 5 * time.Second
	exportPause   = time.Second // in which spans gather
	maxSpans      = 2048        // that wait; more are lost
)

// exporter sends spans when some have gathered. A collector that is away costs spans and nothing else.
type exporter struct {
	url     string
	headers http.Header
	service string
	client  *http.Client
	log     *slog.Logger
	due     chan struct{} // holds one while somebody wants spans to be sent now

	mu      sync.Mutex
	waiting []*Span // guarded by mu, as are the rest
	sending bool    // whether a goroutine sends what waits
	idle    chan struct{}
	lost    int
	told    time.Time // when the log was told of losses
}

func (e *exporter) add(s *Span) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) >= maxSpans {
		e.lost++
		return
	}
	e.waiting = append(e.waiting, s)
	if !e.sending {
		e.sending, e.idle = true, make(chan struct{})
		go e.sendAll()
	}
}

// sendAll sends until nothing waits.
func (e *exporter) sendAll() {
	for {
		select {
		case <-time.After(exportPause):
		case <-e.due:
		}
		e.mu.Lock()
		spans := e.waiting
		e.waiting = nil
		e.mu.Unlock()
		err := e.send(spans)
		e.mu.Lock()
		e.report(len(spans), err)
		if len(e.waiting) == 0 {
			e.sending = false
			close(e.idle)
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
	}
}

// report counts what was lost and tells of it once a minute. e.mu is held.
func (e *exporter) report(sent int, err error) {
	if err != nil {
		e.lost += sent
	}
	if e.lost == 0 || time.Since(e.told) < time.Minute {
		return
	}
	reason := "they came faster than they left"
	if err != nil {
		reason = err.Error()
	}
	e.log.Warn("spans were lost", slog.Int("spans", e.lost), slog.String("error", reason))
	e.lost, e.told = 0, time.Now()
}

// Flush returns when all ended spans have been sent or lost, or when ctx ends.
func (t *Tracer) Flush(ctx context.Context) {
	if t == nil {
		return
	}
	e := t.exporter
	e.mu.Lock()
	sending, idle := e.sending, e.idle
	e.mu.Unlock()
	if !sending {
		return
	}
	select {
	case e.due <- struct{}{}:
	default:
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (e *exporter) send(spans []*Span) error {
	body, err := json.Marshal(e.request(spans))
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = e.headers.Clone()
	response, err := e.client.Do(r)
	if err != nil {
		return errors.New("the collector does not answer") // its cause has the URL
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // for the connection to be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answered %d", response.StatusCode)
	}
	return nil
}
