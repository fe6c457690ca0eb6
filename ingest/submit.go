package ingest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// submit accepts a Bundle (FHIR R4 http.html#transaction, async.html).
func (s *Server) submit(w *fhirhttp.Response, r *http.Request) error {
	return s.submitBundle(w, r, fhirhttp.Prefer(r), func(*fhir.Value) error { return nil })
}

// createBundle accepts a Bundle that is a resource to keep: POST /fhir/Bundle is a create (FHIR R4 http.html#create).
func (s *Server) createBundle(w *fhirhttp.Response, r *http.Request) error {
	return s.submitBundle(w, r, fhirhttp.Prefer(r), func(document *fhir.Value) error {
		if r.Header.Values("If-None-Exist") != nil {
			return fhir.NewError(fhir.CodeNotSupported, "", "A Bundle is told from others by its identifier: there is no If-None-Exist for it")
		}
		if kind := document.Get("type").Text(); document.ResourceType() == "Bundle" && (kind == "transaction" || kind == "batch") {
			return fhir.NewError(fhir.CodeNotSupported, "Bundle.type",
				"A transaction or batch is sent to the base URL, /fhir, to be carried out: a Bundle that is created here is kept as it is")
		}
		return nil
	})
}

// processMessage accepts a message (FHIR R4 messageheader-operation-process-message.html). Its answer goes to whoever
// asks for it, and nowhere else: no address in a request is ever called.
func (s *Server) processMessage(w *fhirhttp.Response, r *http.Request) error {
	query, prefer := r.URL.Query(), fhirhttp.Prefer(r)
	if query.Get("async") == "true" {
		prefer.Wait = 0
	}
	return s.submitBundle(w, r, prefer, func(document *fhir.Value) error {
		switch async := query.Get("async"); {
		case query.Has("response-url"):
			return fhir.NewError(fhir.CodeNotSupported, "", "This server sends answers to no address: leave response-url out and follow the URL in Content-Location")
		case query.Has("async") && async != "true" && async != "false":
			return fhir.NewError(fhir.CodeValue, "", "async is true or false")
		case document.ResourceType() == "Parameters":
			return fhir.NewError(fhir.CodeNotSupported, "Parameters", "The body of $process-message is the message itself, a Bundle; async stands in the URL")
		case document.ResourceType() == "Bundle" && document.Get("type").Text() != "message":
			return fhir.NewError(fhir.CodeNotSupported, "Bundle.type", "$process-message takes a Bundle of type message; send others to /fhir")
		}
		return nil
	})
}

// submitBundle accepts a Bundle, if its document is one that the place takes. Whichever place it was sent to, the same
// Bundle is the same submission.
func (s *Server) submitBundle(w *fhirhttp.Response, r *http.Request, prefer fhirhttp.Preferences, takes func(*fhir.Value) error) error {
	p, err := s.admit(w, r)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	body, mediaType, err := fhirhttp.ReadBody(w, r, "Bundle", s.MaxBody)
	if err != nil {
		return err
	}
	bundle, warnings, err := s.read(r.Context(), body, takes)
	if err != nil {
		if e, ok := errors.AsType[*fhir.Error](err); ok && e.Status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost) // of this address; what is not allowed is an entry's
		}
		return err
	}
	if warnings, err = s.parties(p, bundle, warnings); err != nil {
		return err
	}
	// Clones, since a piece of the document would keep it all in memory while the message is sent.
	kind, key := submissionKey(key, bundle)
	return s.accept(w, r, prefer, acceptance{
		Type: strings.Clone(bundle.Type), body: body, warnings: warnings,
		Request: referral.Request{
			Org: p.Org, KeyKind: kind, Key: strings.Clone(key), Method: http.MethodPost, URL: "/fhir", ContentType: mediaType,
		},
		fill: p.Allow(principal.Fill) == nil && s.fillsTasks(bundle),
	})
}

// acceptance is a request in which nothing is wrong.
type acceptance struct {
	Type     string // as in queue.Message
	Request  referral.Request
	body     []byte
	warnings []fhir.Issue
	fill     bool   // it may make the sender the owner of others' Tasks that have none
	creates  string // the type of the resource that is created, if all that its id follows from is known now; else empty
}

// accept puts a request on the queue and answers it: where that is preferred and happens in time with what it came to,
// else with 202 (FHIR R4 async.html; RFC 9110 §15.3.3, Accepted).
func (s *Server) accept(w *fhirhttp.Response, r *http.Request, prefer fhirhttp.Preferences, a acceptance) error {
	wait := s.wait(prefer)
	w.EventType = a.Type
	sending := w.Span.Child("send", telemetry.Producer, time.Now())
	m := &queue.Message{
		Client: w.Principal.Client, Type: a.Type, Request: a.Request, RequestID: w.RequestID,
		TraceParent: cmp.Or(sending.TraceParent(), telemetry.TraceParent(r.Header.Get("Traceparent"))),
		AcceptedAt:  s.Now().UTC().Truncate(acceptedPrecision), Return: referral.Return(prefer.Return), Awaited: wait > 0,
	}
	m.Pack(a.body)
	submission := referral.Submission{Org: m.Request.Org, AcceptedAt: m.AcceptedAt, Digest: s.Keys.Digest(m.Request)}
	m.ID = s.Keys.Mint(submission)
	if a.fill {
		m.AllowFill(s.Keys)
	}
	err := s.send(r.Context(), m)
	sending.End(time.Now(), err != nil)
	if err != nil {
		return err
	}
	w.Accepted(m.ID)
	a.body = nil // others need the memory while this one waits

	var unawaited error
	if wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		reply, err := s.Await(ctx, submission.Org, submission.Digest, referral.Return(prefer.Return))
		if err == nil && reply != nil {
			applied(w, prefer, wait, reply)
			reply.Write(w)
			return nil
		}
		unawaited = err // which changes nothing about the promise: the request is accepted
	}
	applied(w, prefer, wait, nil)
	w.Header().Set("Content-Location", s.BaseURL.JoinPath("fhir", "_status", w.Submission).String())
	if a.creates != "" {
		w.ResourceID = s.Keys.ResourceID(submission.Org, submission.Digest, submission.AcceptedAt, 0)
		w.Header().Set("Location", s.BaseURL.JoinPath("fhir", a.creates, w.ResourceID.String()).String())
	}
	w.Header().Set("Retry-After", "1")
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome(append(a.warnings, fhir.Issue{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational,
		Details: "Accepted. Follow the URL in Content-Location until the submission has settled.",
	})))
	return unawaited
}

// admit returns who calls, if they may submit and can read what this server answers.
func (s *Server) admit(w *fhirhttp.Response, r *http.Request) (principal.Principal, error) {
	p, err := s.Authenticate(r)
	if err != nil {
		return p, err
	}
	w.Principal = p
	if err := p.Allow(principal.Submit); err != nil {
		return p, err
	}
	return p, fhirhttp.CheckAccept(r)
}

// send puts m on the queue; the error is an *fhir.Error.
func (s *Server) send(ctx context.Context, m *queue.Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.SendTimeout)
	defer cancel()
	err := s.sendOrClaim(ctx, m)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, queue.ErrTooLarge):
		return fhir.NewError(fhir.CodeTooLong, "", "The body is too large for the queue even when compressed; send smaller attachments").WithCause(err)
	}
	return fhir.NewError(fhir.CodeTransient, "", "").WithCause(err)
}

// sendOrClaim puts m on the queue; where it is too large, its body is kept first and the message claims it.
func (s *Server) sendOrClaim(ctx context.Context, m *queue.Message) error {
	err := s.Queue.Send(ctx, m)
	if !errors.Is(err, queue.ErrTooLarge) || s.Blobs == nil {
		return err
	}
	key, body := m.CheckIn()
	if err := s.Blobs.Put(ctx, key, body); err != nil {
		return err
	}
	return s.Queue.Send(ctx, m)
}

// idempotencyKeyPattern is what the Idempotency-Key header may hold: 1 to 255 printable ASCII characters.
var idempotencyKeyPattern = regexp.MustCompile(`^[\x20-\x7e]{1,255}$`)

func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || !idempotencyKeyPattern.MatchString(values[0]) {
		return "", fhir.NewError(fhir.CodeValue, "", "Idempotency-Key is one value of 1 to 255 printable ASCII characters")
	}
	return values[0], nil
}
