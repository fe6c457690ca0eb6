package ingest

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// submit accepts a Bundle (FHIR R4 http.html#transaction, async.html; RFC 9110 §15.3.3, 202 Accepted).
func (s *Server) submit(w *fhirhttp.Response, r *http.Request) error {
	return s.submitBundle(w, r, func(fhir.Bundle) error { return nil })
}

// submitContent accepts a Bundle that is a resource to keep: POST /fhir/Bundle is a create (FHIR R4 http.html#create).
func (s *Server) submitContent(w *fhirhttp.Response, r *http.Request) error {
	return s.submitBundle(w, r, func(b fhir.Bundle) error {
		if b.Type == "transaction" || b.Type == "batch" {
			return fhir.NewError(fhir.CodeNotSupported, "Bundle.type", "A transaction or batch is sent to the base URL, /fhir: here it would be kept, and not carried out")
		}
		return nil
	})
}

// processMessage accepts a message (FHIR R4 messageheader-operation-process-message.html). Its answer goes to whoever
// asks for it, and nowhere else.
func (s *Server) processMessage(w *fhirhttp.Response, r *http.Request) error {
	query := r.URL.Query()
	if query.Has("response-url") {
		return fhir.NewError(fhir.CodeNotSupported, "", "This server sends answers to no address: leave response-url out, and follow Content-Location or prefer wait")
	}
	if query.Get("async") == "true" {
		r.Header.Set("Prefer", "respond-async")
	}
	return s.submitBundle(w, r, func(b fhir.Bundle) error {
		if b.Type != "message" {
			return fhir.NewError(fhir.CodeNotSupported, "Bundle.type", "$process-message takes a Bundle of type message")
		}
		return nil
	})
}

// submitBundle accepts a Bundle that fits says is one for the place. Whichever place it was sent to, the same request is
// the same submission.
func (s *Server) submitBundle(w *fhirhttp.Response, r *http.Request, fits func(fhir.Bundle) error) error {
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
	bundle, warnings, err := s.read(r.Context(), body)
	if err != nil {
		return err
	}
	if err := fits(bundle); err != nil {
		return err
	}
	// Clones, since a piece of the document would keep it all in memory while the message is sent.
	a := accepted{Type: strings.Clone(bundle.Type), warnings: warnings}
	a.Request = referral.Request{Org: p.Org, Method: http.MethodPost, URL: "/fhir", ContentType: mediaType}
	kind, key := submissionKey(key, bundle)
	a.Request.KeyKind, a.Request.Key = kind, strings.Clone(key)
	a.body = body
	return s.accept(w, r, a)
}

// accepted is a request that is right, and is put on the queue.
type accepted struct {
	Request  referral.Request
	Type     string // as in queue.Message
	body     []byte
	warnings []fhir.Issue
	// creates is the type of the one resource that is created under an id which follows from the request, or empty.
	creates string
}

// accept puts a on the queue and answers: when it has settled, where that is awaited and happens in time, else with 202.
func (s *Server) accept(w *fhirhttp.Response, r *http.Request, a accepted) error {
	prefer := fhirhttp.Prefer(r)
	wait := s.wait(prefer)
	m := &queue.Message{
		Client: w.Principal.Client, Type: a.Type, RequestID: w.RequestID, TraceParent: traceParent(r), Request: a.Request,
		AcceptedAt: s.Now().UTC().Truncate(acceptedPrecision), Return: referral.Return(prefer.Return), Awaited: wait > 0,
	}
	m.Pack(a.body)
	digest := s.Keys.Digest(m.Request)
	m.ID = s.Keys.Mint(referral.Submission{Org: m.Request.Org, AcceptedAt: m.AcceptedAt, Digest: digest})

	ctx, cancel := context.WithTimeout(r.Context(), s.SendTimeout)
	defer cancel()
	if err := s.send(ctx, m); err != nil {
		if errors.Is(err, queue.ErrTooLarge) {
			return fhir.NewError(fhir.CodeTooLong, "Bundle", "The Bundle is too large for the queue even when compressed; send smaller attachments").WithCause(err)
		}
		return fhir.NewError(fhir.CodeTransient, "", "").WithCause(err)
	}
	w.Submission = m.ID
	w.Header().Set("Content-Location", s.BaseURL.JoinPath("fhir", "_status", m.ID).String())
	if wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		reply, err := s.Await(ctx, m.Request.Org, digest, m.Return)
		if reply != nil {
			applied(w, prefer, wait)
			reply.Write(w)
			return nil
		}
		if err != nil {
			s.log(r.Context(), err)
		}
	}
	if prefer.Async {
		w.Header().Set("Preference-Applied", "respond-async")
	}
	if a.creates != "" {
		id := s.Keys.ResourceID(m.Request.Org, digest, m.AcceptedAt, 0)
		w.Header().Set("Location", s.BaseURL.JoinPath("fhir", a.creates, id.String()).String())
	}
	w.Header().Set("Retry-After", "1")
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome(append(a.warnings, fhir.Issue{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational,
		Details: "Accepted. Follow the URL in Content-Location until the submission has settled.",
	})))
	return nil
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

// send puts m on the queue within ctx; where it is too large, its body is kept first and the message claims it.
func (s *Server) send(ctx context.Context, m *queue.Message) error {
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

// traceParentPattern is W3C Trace Context §3.2, version 00.
var traceParentPattern = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

func traceParent(r *http.Request) string {
	if v := r.Header.Get("Traceparent"); traceParentPattern.MatchString(v) {
		return v
	}
	return ""
}
