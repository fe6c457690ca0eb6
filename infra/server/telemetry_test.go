package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

// line is what joins the lines of the log.
type line struct{ Msg, EventType, Outcome, RequestID, TraceID, Submission string }

// linesOf returns the first line of each kind that names the submission, in the order in which they were written.
func linesOf(t testing.TB, log, submission string) (lines []line) {
	t.Helper()
	seen := map[string]bool{}
	for text := range strings.Lines(log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if kind := l.Msg + " " + l.EventType; l.Submission == submission && !seen[kind] {
			seen[kind] = true
			lines = append(lines, l)
		}
	}
	return lines
}

// TestOneSubmissionFromEndToEnd: the lines of ingest, processor and query are joined by the submission's id, those of the
// first two by X-Request-ID as well, and the spans from the request to the commit are one trace, which the caller began.
func TestOneSubmissionFromEndToEnd(t *testing.T) {
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	collector, out := teletest.Start(t), &transcript{}
	s := startedLogging(t, slog.New(slog.NewJSONHandler(out, nil)), "OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL.String())
	<-s.settling
	c := client{s.base.String(), "dev-sender"}
	header := http.Header{"Traceparent": {"00-" + trace + "-" + parent + "-01"}, "X-Request-Id": {"request-1"}}
	url := c.send(t, "POST", "/fhir", header, numbered(t, 1)).header.Get("Content-Location")
	c.follow(t, url, 10*time.Second)
	for deadline := time.Now().Add(10 * time.Second); strings.Count(out.String(), `"msg":"delivery"`) == 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond) // settled is told after it has
	}
	s.settings.tracer.Flush(t.Context())

	submission := url[strings.LastIndex(url, "/")+1:]
	want := map[string]line{
		"request transaction":  {"request", "transaction", "accepted", "request-1", trace, submission},
		"delivery transaction": {"delivery", "transaction", "completed", "request-1", trace, submission},
		"request status":       {"request", "status", "answered", "", "", submission}, // another request, of another trace
	}
	got := map[string]line{}
	for _, l := range linesOf(t, out.String(), submission) {
		if l.EventType == "status" {
			l.RequestID, l.TraceID = "", ""
		}
		got[l.Msg+" "+l.EventType] = l
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines of the submission (-want +got):\n%s", diff)
	}

	spans := map[string]teletest.Span{}
	for _, span := range collector.Spans() {
		if span.Trace == trace {
			spans[span.Name] = span
		}
	}
	above := parent
	for _, name := range []string{"accept", "send", "deliver", "settle", "commit"} {
		if spans[name].Parent != above {
			t.Errorf("%s has the parent %q, want %q", name, spans[name].Parent, above)
		}
		above = spans[name].ID
	}
	if len(spans) != 5 {
		t.Errorf("got %d spans, want five: %+v", len(spans), spans)
	}
}

// TestMetricsPage: /metrics has every metric of the catalogue, and counts what passes.
func TestMetricsPage(t *testing.T) {
	s := started(t)
	c := client{s.base.String(), "dev-sender"}
	c.follow(t, c.submit(t, numbered(t, 1)), 10*time.Second)
	if a := c.send(t, "POST", "/fhir", http.Header{}, []byte(`{"resourceType":"Bundle"}`)); a.status/100 != 4 {
		t.Fatalf("got %d, want a refusal", a.status)
	}
	page := ""
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(page, `referral_settled_total{outcome="completed"} 1`) && time.Now().Before(deadline); {
		page = string(c.get(t, "http://"+s.ops+"/metrics").body)
	}
	for _, want := range []string{
		`referral_accepted_total 1`, `referral_accept_seconds_count 1`, `referral_refused_total{status_class="4xx"} 1`, `referral_refused_total{status_class="5xx"} 0`,
		`referral_settled_total{outcome="completed"} 1`, `referral_settle_seconds_count 1`, `referral_accept_to_settle_seconds_count 1`,
		`referral_queue_age_seconds_count 1`, `referral_failed_total{class="infrastructure"} 0`, `referral_log_lines_dropped_total 0`,
	} {
		if !strings.Contains(page, "\n"+want+"\n") {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	for _, metric := range telemetry.Catalogue() {
		if !strings.Contains(page, "# HELP "+metric.Prometheus+" ") {
			t.Errorf("no %s", metric.Prometheus)
		}
	}
	if strings.Contains(page, "referral_store_connections 0\n") {
		t.Error("got no connections to the store")
	}
}
