package fhirhttp

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// tell logs, counts and traces one answered request.
func (s Server) tell(route string, w *Response, r *http.Request, err error) {
	end := time.Now()
	event := telemetry.Request{
		Event: telemetry.Event{
			ID: newRequestID(), Type: w.EventType, Outcome: outcome(w), RequestID: w.RequestID, Submission: w.Submission,
			Org: w.Principal.Org, Client: w.Principal.Client, Trace: w.Span.TraceID(), Duration: end.Sub(w.start),
		},
		Route: route, Status: w.status, AcceptedAfter: w.accepted,
	}
	event.ResourceType, event.ResourceID = resource(route, w, r)
	if err != nil {
		event.Error, event.Issue = err.Error(), string(fhir.CodeOf(err))
	}
	event.Record(s.Metrics)
	if s.Log != nil {
		event.Log(r.Context(), s.Log)
	}
	if span := w.Span; span != nil {
		span.Set("http.route", route)
		span.Set("http.response.status_code", strconv.Itoa(w.status))
		span.Set("referral.request_id", event.RequestID)
		span.Set("referral.submission", event.Submission)
		span.Set("referral.event_type", event.Type)
		span.End(end, w.status >= 500)
	}
}

func outcome(w *Response) string {
	switch {
	case w.accepted > 0:
		return telemetry.Accepted
	case w.status >= 500:
		return telemetry.Failed
	case w.status >= 400:
		return telemetry.Refused
	}
	return telemetry.Answered
}

// resource returns the type and the id of what a request is about, where its address names a type of FHIR and an id that
// can be one of ours: anything else there may be a patient's.
func resource(route string, w *Response, r *http.Request) (resourceType, id string) {
	resourceType = r.PathValue("type")
	if _, path, ok := strings.Cut(route, " /fhir/"); ok && resourceType == "" {
		resourceType, _, _ = strings.Cut(path, "/")
	}
	if resourceType == "" || resourceType[0] < 'A' || resourceType[0] > 'Z' || !fhir.IsName(resourceType) {
		return "", ""
	}
	if w.ResourceID != (referral.UUID{}) {
		return resourceType, w.ResourceID.String()
	}
	if parsed, err := referral.ParseUUID(r.PathValue("id")); err == nil {
		return resourceType, parsed.String()
	}
	return resourceType, ""
}
