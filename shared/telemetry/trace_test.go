package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

const (
	theirs    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// TestSpans: what a collector gets, of a trace that a caller began and of one that begins here.
func TestSpans(t *testing.T) {
	collector := teletest.Start(t)
	tracer := telemetry.NewTracer(collector.URL, nil, "ingest", slog.New(slog.DiscardHandler))
	start := time.Unix(1_800_000_000, 5)
	accept := tracer.Start(theirs, "accept", telemetry.Server, start)
	accept.Set("http.route", "POST /fhir")
	accept.Set("referral.submission", "")
	send := accept.Child("send", telemetry.Producer, start.Add(time.Millisecond))
	send.End(start.Add(2*time.Millisecond), false)
	deliver := tracer.Start(send.TraceParent(), "deliver", telemetry.Consumer, start)
	deliver.End(start.Add(time.Second), true)
	accept.End(start.Add(3*time.Millisecond), false)
	own := tracer.Start("", "poll", telemetry.Server, start)
	own.End(start, false)
	tracer.Flush(t.Context())

	spans := collector.Spans()
	byName := map[string]teletest.Span{}
	for _, s := range spans {
		byName[s.Name] = s
	}
	want := map[string]teletest.Span{
		"accept": {
			Service: "ingest", Trace: theirs[3:35], Parent: theirs[36:52], Name: "accept", Kind: 2, Start: start, End: start.Add(3 * time.Millisecond),
			Attributes: map[string]string{"http.route": "POST /fhir"},
		},
		"send": {
			Service: "ingest", Trace: theirs[3:35], Parent: byName["accept"].ID, Name: "send", Kind: 4,
			Start: start.Add(time.Millisecond), End: start.Add(2 * time.Millisecond),
		},
		"deliver": {
			Service: "ingest", Trace: theirs[3:35], Parent: byName["send"].ID, Name: "deliver", Kind: 5, Start: start, End: start.Add(time.Second), Failed: true,
		},
		"poll": {Service: "ingest", Trace: byName["poll"].Trace, Name: "poll", Kind: 2, Start: start, End: start},
	}
	var ids []string
	for name, s := range byName {
		ids = append(ids, s.ID)
		w := want[name]
		w.ID = s.ID
		want[name] = w
	}
	if diff := cmp.Diff(want, byName); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 4 || len(byName["poll"].Trace) != 32 || byName["poll"].Trace == theirs[3:35] {
		t.Errorf("got %+v, want spans with ids of their own, and a new trace where there was none", byName)
	}
}

// TestTraceParent: what is none begins a trace; what its caller does not record is not recorded.
func TestTraceParent(t *testing.T) {
	for header, want := range map[string]string{
		theirs: theirs, unsampled: unsampled, "": "", "Jane Citizen": "", theirs + "-x": "", strings.ToUpper(theirs): "", "01" + theirs[2:]: "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": "", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": "",
	} {
		if got := telemetry.TraceParent(header); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
	tracer := telemetry.NewTracer(&url.URL{Scheme: "http", Host: "127.0.0.1:1"}, nil, "ingest", slog.New(slog.DiscardHandler))
	if span := tracer.Start(unsampled, "accept", telemetry.Server, time.Now()); span != nil {
		t.Error("a trace that its caller does not record is recorded")
	}
	if span := tracer.Start("Jane Citizen", "accept", telemetry.Server, time.Now()); span == nil || strings.Contains(span.TraceParent(), "Jane") {
		t.Error("what is no traceparent does not begin a trace")
	}
}

// TestNothingTraced: without a tracer all of it does nothing, at the cost of nothing.
func TestNothingTraced(t *testing.T) {
	now := time.Now()
	cost := testing.AllocsPerRun(100, func() {
		var tracer *telemetry.Tracer
		span := tracer.Start(theirs, "accept", telemetry.Server, now)
		child := span.Child("send", telemetry.Producer, now)
		span.Set("http.route", "POST /fhir")
		child.End(now, false)
		span.End(now, false)
		if span.TraceID()+child.TraceParent() != "" {
			t.Error("a span that is none has an id")
		}
	})
	if cost != 0 {
		t.Errorf("got %v allocations, want none", cost)
	}
	(*telemetry.Tracer)(nil).Flush(t.Context())
}

// TestCollectorAway: spans are lost, the log says so once without saying where to, and nobody waits.
func TestCollectorAway(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer // guarded by mu
	log := slog.New(slog.NewJSONHandler(locked{&mu, &out}, nil))
	for name, answer := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"hangs up": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			out.Reset()
			collector := httptest.NewServer(answer)
			defer collector.Close()
			endpoint, _ := url.Parse(collector.URL)
			tracer := telemetry.NewTracer(endpoint, nil, "ingest", log)
			for range 3 {
				tracer.Start("", "accept", telemetry.Server, time.Now()).End(time.Now(), false)
				tracer.Flush(t.Context())
			}
			mu.Lock()
			defer mu.Unlock()
			if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"msg":"spans were lost"`) || strings.Contains(got, endpoint.Host) {
				t.Errorf("got log %q, want one line that names no address", got)
			}
		})
	}
}

// TestSpansAreBounded: a collector that takes its time does not make the process grow.
func TestSpansAreBounded(t *testing.T) {
	open := make(chan struct{})
	var mu sync.Mutex
	got := 0 // guarded by mu
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-open
		var body struct {
			ResourceSpans []struct{ ScopeSpans []struct{ Spans []any } }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		got += len(body.ResourceSpans[0].ScopeSpans[0].Spans)
	}))
	defer collector.Close()
	endpoint, _ := url.Parse(collector.URL)
	tracer := telemetry.NewTracer(endpoint, nil, "ingest", slog.New(slog.DiscardHandler))
	for range 10_000 {
		tracer.Start("", "accept", telemetry.Server, time.Now()).End(time.Now(), false)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tracer.Flush(ctx) // does not wait longer than it is given
	close(open)
	tracer.Flush(t.Context())
	mu.Lock()
	defer mu.Unlock()
	if got < 2048 || got > 2*2048 {
		t.Errorf("got %d spans, want those that could wait", got)
	}
}

// TestTracerFromSettings: off unless an endpoint is named; a wrong setting is told by name.
func TestTracerFromSettings(t *testing.T) {
	collector := teletest.Start(t)
	read := func(variables map[string]string) (*telemetry.Tracer, error) {
		v := envtest.Settings(variables)
		tracer := telemetry.TracerFromSettings(v, "ingest", slog.New(slog.DiscardHandler))
		return tracer, v.Err()
	}
	if tracer, err := read(nil); tracer != nil || err != nil {
		t.Errorf("got %v, %v; want no tracer without settings", tracer, err)
	}
	tracer, err := read(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL.String(), "OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=a%20b, Authorization=Bearer x=",
	})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Start("", "accept", telemetry.Server, time.Now()).End(time.Now(), false)
	tracer.Flush(t.Context())
	header := collector.Header()
	if len(collector.Spans()) != 1 || header.Get("X-Tenant") != "a b" || header.Get("Authorization") != "Bearer x=" || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d spans with header %v", len(collector.Spans()), header)
	}
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "secret"} {
		variables := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL.String()}
		variables[name] = value
		if _, err := read(variables); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s: got %v, want the name and not the value", name, value, err)
		}
	}
}

// locked is a writer for several.
type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
