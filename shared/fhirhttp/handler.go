// Package fhirhttp is FHIR's RESTful exchange over HTTP as ingest and query both need it: handlers that return an
// error, OperationOutcome answers, reading bodies within limits, negotiation of types, and one log line a request.
//
// It promises that every answer of 400 and above is an OperationOutcome (but for /health/ready, whose 503 names the
// parts as plain JSON, for load balancers and operators), that a cause never reaches the caller, and that a log line
// holds neither path nor query of the request. It leaves the meaning of requests to its users.
package fhirhttp

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// Response is what a handler answers with and what the request's log line will say. Its fields are filled by the
// handler as it learns them.
type Response struct {
	http.ResponseWriter
	RequestID  string
	Principal  principal.Principal
	Submission string          // submission id, once known
	EventType  string          // what is done; as telemetry.Event has it
	ResourceID referral.UUID   // of the resource that is made; zero: none is, or nobody knows yet
	Span       *telemetry.Span // of the request; nil: it is not traced
	start      time.Time
	accepted   time.Duration // until what was sent was accepted; 0: nothing was
	status     int
	form       form
}

// Accepted says that what was sent is on the queue for good, as submission.
func (w *Response) Accepted(submission string) {
	w.Submission, w.accepted = submission, max(time.Since(w.start), 1)
}

// WriteHeader records the status for the log line.
func (w *Response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (w *Response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Handler answers one request. A returned error is written as an OperationOutcome, unless the handler has written
// already; it is logged once, here.
type Handler func(w *Response, r *http.Request) error

// Server makes http.Handlers of Handlers. The zero value tells nobody of them.
type Server struct {
	Log     *slog.Logger       // nil: discard
	Metrics telemetry.Recorder // nil: nobody takes them
	Tracer  *telemetry.Tracer  // nil: nothing is traced
}

// Handle returns h behind the common parts: request id, headers, recovery, error answers, the log line, metrics and the
// span. route is its template, such as "POST /fhir".
func (s Server) Handle(route string, h Handler) http.Handler {
	kind, eventType := telemetry.RouteOf(route)
	span := string(kind)
	if kind == telemetry.Other {
		span = eventType
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &Response{
			ResponseWriter: rw, RequestID: requestID(r), EventType: eventType, start: time.Now(), form: formOf(r.Header, r.URL.Query()),
		}
		w.Span = s.Tracer.Start(r.Header.Get("Traceparent"), span, telemetry.Server, w.start)
		w.Header().Set("X-Request-ID", w.RequestID)
		protect(w.Header(), r)
		err := recovered(h, w, r)
		if err != nil && w.status == 0 {
			writeError(w, err)
		}
		s.tell(route, w, r, err)
	})
}

// recovered turns a panic into an error that names its place but not its value, which may hold anything.
func recovered(h Handler, w *Response, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			err = fmt.Errorf("panic of type %T at %s", p, panicPlace())
		}
	}()
	if err := checkHeader(r.Header); err != nil {
		return err
	}
	return h(w, r)
}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID returns the caller's X-Request-ID when it is harmless, else a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); requestIDPattern.MatchString(id) {
		return id
	}
	return newRequestID()
}

func newRequestID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// protect sets the headers that keep an answer from being kept, framed, guessed at or run by a browser. Over plain HTTP
// there is no Strict-Transport-Security (RFC 6797 §7.2); a proxy in front says that its side was not plain.
func protect(header http.Header, r *http.Request) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Referrer-Policy", "no-referrer")
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// challenger is the cause of a refusal that says by what a caller could be known (RFC 9110 §11.6.1).
type challenger interface {
	error
	Challenge() string
}

func writeError(w *Response, err error) {
	e, ok := errors.AsType[*fhir.Error](err)
	if !ok {
		e = fhir.NewError(fhir.CodeException, "", "")
	}
	status := Status(e)
	issues := e.Issues
	if status >= 500 {
		issues = []fhir.Issue{{
			Severity: fhir.SeverityError, Code: fhir.CodeOf(e),
			Details: "The server could not answer now; sending the request again is safe as its documentation says. Request " + w.RequestID,
		}}
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		if w.Header().Get("Retry-After") == "" {
			w.Header().Set("Retry-After", "5")
		}
	}
	if status == http.StatusUnauthorized {
		challenge := `ApiKey header="x-api-key"`
		if c, ok := errors.AsType[challenger](err); ok {
			challenge = c.Challenge()
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	Write(w, status, fhir.Outcome(issues))
}
