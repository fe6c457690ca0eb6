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

// submit accepts a Bundle (FHIR R4 async.html; RFC 9110 §15.3.3, 202 Accepted).
func (s *Server) submit(w *fhirhttp.Response, r *http.Request) error {
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

	// Clones, since a piece of the document would keep it all in memory while the message is sent.
	m := &queue.Message{
		Client: p.Client, Type: strings.Clone(bundle.Type), RequestID: w.RequestID, TraceParent: traceParent(r),
		AcceptedAt: s.Now().UTC().Truncate(acceptedPrecision),
		Request:    referral.Request{Org: p.Org, Method: http.MethodPost, URL: "/fhir", ContentType: mediaType},
	}
	kind, key := submissionKey(key, bundle)
	m.Request.KeyKind, m.Request.Key = kind, strings.Clone(key)
	m.Pack(body)
	m.ID = s.Keys.Mint(referral.Submission{Org: p.Org, AcceptedAt: m.AcceptedAt, Digest: s.Keys.Digest(m.Request)})

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
	w.Header().Set("Retry-After", "1")
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome(append(warnings, fhir.Issue{
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

// send puts m on the queue; where it is too large, its body is kept first and the message claims it.
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
