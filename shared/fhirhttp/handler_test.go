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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
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
	want := []string{"client", "error", "level", "ms", "msg", "org", "requestId", "route", "status", "submission", "time"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if line["route"] != "POST /fhir" || line["status"] != 422.0 || line["error"] != "required at Bundle.type" || line["org"] != "8003621566684455" {
		t.Errorf("got log %s", e.log)
	}
}

func TestObserve(t *testing.T) {
	var got []string
	server := fhirhttp.Server{Observe: func(route string, status int, d time.Duration) {
		got = append(got, fmt.Sprint(route, " ", status, " ", d >= 0))
	}}
	for _, h := range []fhirhttp.Handler{
		writesEmpty,
		func(*fhirhttp.Response, *http.Request) error { return errors.New("cause") },
	} {
		server.Handle("GET /fhir", h).ServeHTTP(httptest.NewRecorder(), get())
	}
	if diff := cmp.Diff([]string{"GET /fhir 200 true", "GET /fhir 500 true"}, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
