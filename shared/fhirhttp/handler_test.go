package fhirhttp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry/teletest"
)

// word is what must be found nowhere.
const word = "zqx7k"

// exchange is one request that was answered.
type exchange struct {
	*httptest.ResponseRecorder
	log string
}

// serve answers r with h and returns the answer and the log.
func serve(t testing.TB, h fhirhttp.Handler, r *http.Request) exchange {
	t.Helper()
	var log bytes.Buffer
	server := fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	w := httptest.NewRecorder()
	server.Handle("POST /fhir", h).ServeHTTP(w, r)
	return exchange{w, log.String()}
}

// line returns the one log line.
func (e exchange) line(t testing.TB) map[string]any {
	t.Helper()
	var line map[string]any
	if err := json.Unmarshal([]byte(e.log), &line); err != nil {
		t.Fatalf("got log %q, want one line of JSON: %v", e.log, err)
	}
	return line
}

// without reports where the answer or the log holds text.
func (e exchange) without(t testing.TB, text string) {
	t.Helper()
	if strings.Contains(e.Body.String()+fmt.Sprint(e.Header()), text) {
		t.Errorf("the answer holds %q: %v %s", text, e.Header(), e.Body)
	}
	if strings.Contains(e.log, text) {
		t.Errorf("the log holds %q: %s", text, e.log)
	}
}

// issues returns severity and code of each issue.
func (e exchange) issues(t testing.TB) []string {
	t.Helper()
	var outcome struct {
		ResourceType string
		Issue        []struct{ Severity, Code string }
	}
	if err := json.Unmarshal(e.Body.Bytes(), &outcome); err != nil || outcome.ResourceType != "OperationOutcome" {
		t.Fatalf("got %s, error %v; want an OperationOutcome", e.Body, err)
	}
	var issues []string
	for _, issue := range outcome.Issue {
		issues = append(issues, issue.Severity+" "+issue.Code)
	}
	return issues
}

func get() *http.Request { return httptest.NewRequest(http.MethodGet, "/fhir", nil) }

func writesEmpty(w *fhirhttp.Response, _ *http.Request) error {
	fhirhttp.Write(w, http.StatusOK, []byte(`{}`))
	return nil
}

func TestRequestID(t *testing.T) {
	for _, id := range []string{"a", "abc-1.2_X", strings.Repeat("x", 64)} {
		r := get()
		r.Header.Set("X-Request-Id", id)
		e := serve(t, writesEmpty, r)
		if got := e.Header().Get("X-Request-Id"); got != id || e.line(t)["requestId"] != id {
			t.Errorf("got id %q and log %s, want %q echoed", got, e.log, id)
		}
	}
	own := regexp.MustCompile(`^[0-9a-f]{24}$`)
	seen := map[string]bool{}
	for name, id := range map[string]string{
		"none": "", "too long": strings.Repeat("x", 65), "10 KB": strings.Repeat("x", 10<<10), "a person": word + " Citizen", "not ASCII": word + "é",
		"a forged line": word + "\r\n" + `{"level":"ERROR"}`, "ANSI": word + "\x1b[31m", "U+2028": word + "\u2028", "quotes": word + `"`, "list": word + "," + word,
	} {
		t.Run(name, func(t *testing.T) {
			r := get()
			r.Header.Set("X-Request-Id", id)
			e := serve(t, writesEmpty, r)
			got := e.Header().Get("X-Request-Id")
			if !own.MatchString(got) || seen[got] || e.line(t)["requestId"] != got {
				t.Errorf("got id %q (seen before: %v) and log %s; want a new one of the server", got, seen[got], e.log)
			}
			seen[got] = true
			e.without(t, word)
		})
	}
}

func TestPanicIsAnsweredAndPlaced(t *testing.T) {
	var none *http.Request
	for name, h := range map[string]fhirhttp.Handler{
		"value":   func(*fhirhttp.Response, *http.Request) error { panic(word) },
		"error":   func(*fhirhttp.Response, *http.Request) error { panic(errors.New(word)) },
		"runtime": func(*fhirhttp.Response, *http.Request) error { return errors.New(none.Host) },
		"index": func(_ *fhirhttp.Response, r *http.Request) error {
			return errors.New(map[string][]string{}[word][len(r.Host)])
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, h, get())
			if e.Code != http.StatusInternalServerError {
				t.Errorf("got %d, want 500", e.Code)
			}
			if diff := cmp.Diff([]string{"error exception"}, e.issues(t)); diff != "" {
				t.Errorf("issues (-want +got):\n%s", diff)
			}
			e.without(t, word)
			line := e.line(t)
			if got, _ := line["error"].(string); !strings.Contains(got, "TestPanicIsAnsweredAndPlaced") || line["level"] != "ERROR" {
				t.Errorf("got log %s, want an error that names the place of the panic", e.log)
			}
		})
	}
}

func TestAbortPasses(t *testing.T) {
	defer func() {
		if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // a panic's value, not a chain
			t.Errorf("got panic %v, want http.ErrAbortHandler, which net/http knows", got)
		}
	}()
	serve(t, func(*fhirhttp.Response, *http.Request) error { panic(http.ErrAbortHandler) }, get())
}

// challenge is a cause that says how to be known.
type challenge struct{ error }

func (challenge) Challenge() string { return "Bearer" }

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		issues []string
		header map[string]string
	}{
		{"any error", errors.New("cause"), 500, []string{"error exception"}, nil},
		{"exception", fhir.NewError(fhir.CodeException, "", word).WithCause(errors.New("cause")), 500, []string{"error exception"}, nil},
		{"transient", fhir.NewError(fhir.CodeTransient, "Bundle."+word, word), 503, []string{"error transient"}, map[string]string{"Retry-After": "5"}},
		{"wrapped", fmt.Errorf("insert: %w", fhir.NewError(fhir.CodeConflict, "", "in use")), 409, []string{"error conflict"}, nil},
		{"throttled", fhir.NewError(fhir.CodeThrottled, "", "slower"), 429, []string{"error throttled"}, map[string]string{"Retry-After": "5"}},
		{"login", fhir.NewError(fhir.CodeLogin, "", "who?"), 401, []string{"error login"}, map[string]string{"WWW-Authenticate": `ApiKey header="x-api-key"`}},
		{"expired", fhir.NewError(fhir.CodeExpired, "", "again").WithCause(challenge{errors.New("cause")}), 401, []string{"error expired"}, map[string]string{"WWW-Authenticate": "Bearer"}},
		{
			"failing first", &fhir.Error{Issues: []fhir.Issue{
				{Severity: fhir.SeverityWarning, Code: fhir.CodeValue}, {Severity: fhir.SeverityError, Code: fhir.CodeRequired},
			}}, 422,
			[]string{"error required", "warning value"}, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := serve(t, func(*fhirhttp.Response, *http.Request) error { return test.err }, get())
			if e.Code != test.status || e.Header().Get("Content-Type") != "application/fhir+json; charset=utf-8" {
				t.Errorf("got %d %s, want %d application/fhir+json; charset=utf-8", e.Code, e.Header().Get("Content-Type"), test.status)
			}
			if diff := cmp.Diff(test.issues, e.issues(t)); diff != "" {
				t.Errorf("issues (-want +got):\n%s", diff)
			}
			for _, name := range []string{"Retry-After", "WWW-Authenticate"} {
				if got := e.Header().Get(name); got != test.header[name] {
					t.Errorf("got %s %q, want %q", name, got, test.header[name])
				}
			}
			body := e.Body.String()
			if e.Code >= 500 && (strings.Contains(body, "cause") || strings.Contains(body, word) || !strings.Contains(body, e.Header().Get("X-Request-Id"))) {
				t.Errorf("got %s, want the request id and neither cause nor details", body)
			}
			wantLevel := "INFO"
			if test.status >= 500 {
				wantLevel = "ERROR"
			}
			if line := e.line(t); line["level"] != wantLevel || line["error"] != test.err.Error() {
				t.Errorf("got log %s, want level %s and the error", e.log, wantLevel)
			}
		})
	}
}

func TestRetryAfterOfTheHandlerStays(t *testing.T) {
	e := serve(t, func(w *fhirhttp.Response, _ *http.Request) error {
		w.Header().Set("Retry-After", "60")
		return fhir.NewError(fhir.CodeTransient, "", "")
	}, get())
	if got := e.Header().Get("Retry-After"); got != "60" {
		t.Errorf("got Retry-After %q, want 60", got)
	}
}

func TestErrorAfterTheAnswerIsOnlyLogged(t *testing.T) {
	e := serve(t, func(w *fhirhttp.Response, r *http.Request) error {
		return errors.Join(writesEmpty(w, r), errors.New("too late"))
	}, get())
	if e.Code != http.StatusOK || e.Body.String() != "{}" {
		t.Errorf("got %d %s, want what the handler wrote", e.Code, e.Body)
	}
	if e.line(t)["error"] != "too late" {
		t.Errorf("got log %s, want the error in it", e.log)
	}
}

// TestLogLine: one line with a fixed set of keys, whatever the request holds.
func TestLogLine(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/fhir/"+word+"?name="+word, strings.NewReader(`{"name":"`+word+`"}`))
	for _, name := range []string{"User-Agent", "Cookie", "Referer", "X-Forwarded-For", "Authorization", "X-Api-Key"} {
		r.Header.Set(name, word)
	}
	e := serve(t, func(w *fhirhttp.Response, r *http.Request) error {
		w.Principal = principal.Principal{Org: "8003621566684455", Client: "dev-sender"}
		w.Submission = "an-id"
		if _, err := io.ReadAll(r.Body); err != nil {
			return err
		}
		return fhir.NewError(fhir.CodeRequired, "Bundle.type", "type is required")
	}, r)
	e.without(t, word)
	line := e.line(t)
	got := slices.Sorted(maps.Keys(line))
	want := []string{"client", "code", "error", "eventId", "eventType", "level", "ms", "msg", "org", "outcome", "requestId", "route", "status", "submission", "time"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if line["route"] != "POST /fhir" || line["status"] != 422.0 || line["error"] != "required at Bundle.type" || line["org"] != "8003621566684455" ||
		line["eventType"] != "submit" || line["outcome"] != "refused" || line["code"] != "required" {
		t.Errorf("got log %s", e.log)
	}
}

// recorder keeps the names of what is measured, and the labels.
type recorder []string

func (r *recorder) Record(all []telemetry.Measurement) {
	for _, m := range all {
		*r = append(*r, m.Metric.Name+m.Label)
	}
}

// TestMetrics: what is accepted, polled, read and refused is measured.
func TestMetrics(t *testing.T) {
	var got recorder
	server := fhirhttp.Server{Metrics: &got}
	for _, test := range []struct {
		route string
		h     fhirhttp.Handler
	}{
		{"POST /fhir", func(w *fhirhttp.Response, r *http.Request) error { w.Accepted("an-id"); return writesEmpty(w, r) }},
		{"GET /fhir/_status/{id}", writesEmpty},
		{"GET /fhir/{type}", func(*fhirhttp.Response, *http.Request) error { return errors.New("cause") }},
		{"other", func(*fhirhttp.Response, *http.Request) error { return fhir.NewError(fhir.CodeNotFound, "", "") }},
	} {
		server.Handle(test.route, test.h).ServeHTTP(httptest.NewRecorder(), get())
	}
	if diff := cmp.Diff(recorder{"Accepted", "Accept", "Poll", "Read", "Refused5xx", "Refused4xx"}, got); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
}

// TestResource: a line names a type of FHIR and an id that can be one of ours, and nothing else of an address.
func TestResource(t *testing.T) {
	const id = "0198c0de-1234-7000-8000-000000000001"
	for _, test := range []struct{ route, path, resourceType, id string }{
		{"GET /fhir/{type}/{id}", "/fhir/Patient/" + id, "Patient", id},
		{"GET /fhir/{type}/{id}", "/fhir/Patient/8003608166690503", "Patient", ""},
		{"GET /fhir/{type}/{id}", "/fhir/" + word + "/" + id, "", ""},
		{"GET /fhir/{type}/{id}", "/fhir/family/" + id, "", ""},
		{"GET /fhir/{type}", "/fhir/Task", "Task", ""},
		{"GET /fhir/AuditEvent/{id}", "/fhir/AuditEvent/" + id, "AuditEvent", id},
		{"POST /fhir/Bundle", "/fhir/Bundle", "Bundle", ""},
		{"GET /fhir/_status/{id}", "/fhir/_status/" + id, "", ""},
		{"GET /referrals/{id}", "/referrals/" + id, "", ""},
	} {
		var log bytes.Buffer
		mux := http.NewServeMux()
		mux.Handle(test.route, fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&log, nil))}.Handle(test.route, writesEmpty))
		method, _, _ := strings.Cut(test.route, " ")
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, test.path, nil))
		line := exchange{log: log.String()}.line(t)
		text := func(name string) string { value, _ := line[name].(string); return value }
		if text("resourceType") != test.resourceType || text("resourceId") != test.id {
			t.Errorf("%s: got %q and %q, want %q and %q", test.path, text("resourceType"), text("resourceId"), test.resourceType, test.id)
		}
	}
}

// TestSpan: a request's span is in its caller's trace, and the line names the trace.
func TestSpan(t *testing.T) {
	collector := teletest.Start(t)
	tracer := telemetry.NewTracer(collector.URL, nil, "ingest", slog.New(slog.DiscardHandler))
	var log bytes.Buffer
	server := fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&log, nil)), Tracer: tracer}
	r := get()
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r.Header.Set("X-Request-Id", "r-1")
	server.Handle("POST /fhir", func(w *fhirhttp.Response, _ *http.Request) error {
		w.Accepted("an-id")
		return errors.New("cause")
	}).ServeHTTP(httptest.NewRecorder(), r)
	tracer.Flush(t.Context())
	spans := collector.Spans()
	if len(spans) != 1 {
		t.Fatalf("got %d spans, want one", len(spans))
	}
	want := map[string]string{
		"http.route": "POST /fhir", "http.response.status_code": "500", "referral.request_id": "r-1", "referral.submission": "an-id", "referral.event_type": "submit",
	}
	if diff := cmp.Diff(want, spans[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	got := spans[0]
	if got.Name != "accept" || got.Trace != "0af7651916cd43dd8448eb211c80319c" || got.Parent != "b7ad6b7169203331" || !got.Failed {
		t.Errorf("got %+v", got)
	}
	if line := (exchange{log: log.String()}).line(t); line["traceId"] != got.Trace {
		t.Errorf("got log %s, want the trace", &log)
	}
}
