package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// senderFunc is a Sender.
type senderFunc func(context.Context, *queue.Message) error

func (f senderFunc) Send(ctx context.Context, m *queue.Message) error { return f(ctx, m) }

// inBubble runs test on synctest's clock. What zstd makes at its first use must not belong to the bubble, since
// other tests use it as well.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	new(queue.Message).Pack([]byte("x"))
	synctest.Test(t, test)
}

// everything returns all that the caller is told.
func everything(w *httptest.ResponseRecorder) string {
	var b strings.Builder
	_ = w.Header().Write(&b) // a strings.Builder does not fail
	return b.String() + w.Body.String()
}

// TestFailedSendPromisesNothing: unless Send returns nil there is no 202 and no id, even if the queue has the message.
func TestFailedSendPromisesNothing(t *testing.T) {
	for _, test := range []struct {
		name   string
		send   senderFunc
		status int
		code   string
		after  time.Duration
	}{
		{
			"refused", func(context.Context, *queue.Message) error { return errors.New("zqx-cause") },
			http.StatusServiceUnavailable, `"code":"transient"`, 0,
		},
		{
			"hangs", func(ctx context.Context, _ *queue.Message) error {
				<-ctx.Done()
				return fmt.Errorf("zqx-cause: %w", ctx.Err())
			},
			http.StatusServiceUnavailable, `"code":"transient"`, 5 * time.Second,
		},
		{
			"too large", func(context.Context, *queue.Message) error { return fmt.Errorf("zqx-cause: %w", queue.ErrTooLarge) },
			http.StatusRequestEntityTooLarge, `"code":"too-long"`, 0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				stored := &outbox{}
				handler := newHandler(newConfig(t, senderFunc(func(ctx context.Context, m *queue.Message) error {
					return errors.Join(stored.Send(ctx, m), test.send(ctx, m))
				})))
				w, start := httptest.NewRecorder(), time.Now()
				handler.ServeHTTP(w, post(t, creates))
				if got := time.Since(start); got != test.after {
					t.Errorf("answered after %v, want %v", got, test.after)
				}
				if w.Code != test.status || !strings.Contains(w.Body.String(), test.code) {
					t.Errorf("got %d %s, want %d with %s", w.Code, w.Body, test.status, test.code)
				}
				if got, want := w.Header().Get("Retry-After") != "", test.status == http.StatusServiceUnavailable; got != want {
					t.Errorf("got Retry-After %v, want %v", got, want)
				}
				for _, secret := range []string{stored.only(t).ID, "_status", "zqx"} {
					if strings.Contains(everything(w), secret) {
						t.Errorf("the answer discloses %q:\n%s", secret, everything(w))
					}
				}
			})
		})
	}
}

// recordingWriter notes when the answer begins.
type recordingWriter struct {
	http.ResponseWriter
	note func(string)
}

func (w recordingWriter) WriteHeader(status int) {
	w.note(http.StatusText(status))
	w.ResponseWriter.WriteHeader(status)
}

// TestAcceptedOnlyAfterSend: nothing is answered while the queue has not acknowledged the message (promise G1).
func TestAcceptedOnlyAfterSend(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var events strings.Builder
		note := func(event string) { events.WriteString(event + "; ") }
		acknowledge := make(chan struct{})
		handler := newHandler(newConfig(t, senderFunc(func(context.Context, *queue.Message) error {
			note("sending")
			<-acknowledge
			note("acknowledged")
			return nil
		})))
		go handler.ServeHTTP(recordingWriter{httptest.NewRecorder(), note}, post(t, creates))

		synctest.Wait()
		if got, want := events.String(), "sending; "; got != want {
			t.Errorf("before the queue acknowledges: got %q, want %q", got, want)
		}
		close(acknowledge)
		synctest.Wait()
		if got, want := events.String(), "sending; acknowledged; Accepted; "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestSendEndsWithItsCaller: a caller that leaves does not keep the queue busy.
func TestSendEndsWithItsCaller(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		handler := newHandler(newConfig(t, senderFunc(func(ctx context.Context, _ *queue.Message) error {
			<-ctx.Done()
			return ctx.Err()
		})))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w, start := httptest.NewRecorder(), time.Now()
		handler.ServeHTTP(w, post(t, creates).WithContext(ctx))
		if got := time.Since(start); got != time.Second || w.Code != http.StatusServiceUnavailable {
			t.Errorf("got %d after %v, want 503 after 1s", w.Code, got)
		}
	})
}

// TestNoWordOfTheRequestIsToldOrLogged plants a word wherever a request may hold one, and lets it be accepted, refused
// and fail.
func TestNoWordOfTheRequestIsToldOrLogged(t *testing.T) {
	const word = "zqx7k"
	patient := `{"resourceType":"Patient","id":"zqx7k","name":[{"text":"zqx7k"}]}`
	entry := `{"fullUrl":"https://zqx7k.example/Patient/zqx7k","resource":` + patient + `,"request":{"method":"POST","url":"Patient"}}`
	for _, test := range []struct {
		name, body string
		send       error
		status     int
	}{
		{"accepted", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry + `]}`, nil, 202},
		{"send fails", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry + `]}`, errors.New("no answer"), 503},
		{"rules", `{"resourceType":"Bundle","type":"transaction","entry":[` + entry + `,` + entry + `,{"resource":` + patient + `,"request":{"method":"POST","url":"zqx7k"}}]}`, nil, 422},
		{"reference", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"urn:zqx7k"}}}]}`, nil, 422},
		{"code", `{"resourceType":"Bundle","type":"zqx7k"}`, nil, 422},
		{"name", `{"resourceType":"Bundle","type":"collection","zqx7k zqx7k":"zqx7k"}`, nil, 400},
		{"value", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","birthDate":"zqx7k","active":"zqx7k"}}]}`, nil, 400},
		{"resource type", `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"zqx7k"}}]}`, nil, 400},
		{"other resource", `{"resourceType":"zqx7k"}`, nil, 400},
		{"not JSON", `{"resourceType":"Bundle",zqx7k`, nil, 400},
		{"duplicate", `{"resourceType":"Bundle","zqx7k-1":"zqx7k","zqx7k-1":"zqx7k"}`, nil, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			config := newConfig(t, senderFunc(func(context.Context, *queue.Message) error { return test.send }))
			config.HTTP.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			r := post(t, test.body)
			r.URL.RawQuery = "name=" + word
			for _, name := range []string{"Idempotency-Key", "User-Agent", "Traceparent", "Referer", "Cookie", "X-Forwarded-For"} {
				r.Header.Set(name, word)
			}
			r.Header.Set("X-Request-Id", word+" "+word)
			w := httptest.NewRecorder()
			newHandler(config).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, test.status)
			}
			if strings.Contains(everything(w), word) {
				t.Errorf("the answer holds the word:\n%s", everything(w))
			}
			if strings.Contains(log.String(), word) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("got log %q, want one line without the word", log.String())
			}
		})
	}
}
