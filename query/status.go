package query

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// status tells a sender how its submission stands (FHIR R4 async.html, R5 async-bundle.html): 202 until it has
// settled, then 200 with a batch-response whose one entry is the outcome of the request. An id proves itself, so that
// a genuine one without a row, or with a store that does not answer, is accepted and not unknown.
func (s *Server) status(w *fhirhttp.Response, r *http.Request) error {
	id := r.PathValue("id")
	claimed, err := s.Keys.Verify(w.Principal.Org, id)
	if err != nil {
		return notFound()
	}
	w.Submission = id
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	submission, found, err := s.Store.Submission(ctx, w.Principal.Org, claimed.Digest)
	switch {
	case err != nil && !mayAnswerLater(err):
		return err
	case err != nil:
		inProgress(w, "accepted; the status cannot be read at the moment", maxRetryAfter)
		return err // for the log: the answer is written
	case !found:
		inProgress(w, "accepted, not settled yet", retryAfter(s.Now().Sub(claimed.AcceptedAt)))
		return nil
	case !submission.State.Settled():
		inProgress(w, "accepted; it could not be settled and waits for an operator of the server", maxRetryAfter)
		return nil
	}
	body, err := encode(s.outcome(submission))
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

const maxRetryAfter = 10 * time.Second

// retryAfter is a second at first and grows with the age of a submission.
func retryAfter(age time.Duration) time.Duration {
	return min(max(time.Second+age/5, time.Second), maxRetryAfter)
}

func inProgress(w *fhirhttp.Response, progress string, after time.Duration) {
	w.Header().Set("X-Progress", progress)
	w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "The submission is " + progress + ".",
	}}))
}

// responseBundle is a Bundle of type batch-response or transaction-response (FHIR R4 bundle.html).
type responseBundle struct {
	ResourceType string          `json:"resourceType"`
	ID           string          `json:"id,omitempty"`
	Type         string          `json:"type"`
	Entry        []responseEntry `json:"entry,omitempty"`
}

type responseEntry struct {
	Resource *responseBundle `json:"resource,omitempty"`
	Response response        `json:"response"`
}

type response struct {
	Status       string          `json:"status"`
	Location     string          `json:"location,omitempty"`
	ETag         string          `json:"etag,omitempty"`
	LastModified string          `json:"lastModified,omitempty"`
	Outcome      json.RawMessage `json:"outcome,omitempty"`
}

// outcome returns the Bundle of a settled submission, whose id is the canonical one: the same request sent twice has
// two ids, and both lead here.
func (s *Server) outcome(submission postgres.Submission) responseBundle {
	entry := responseEntry{Response: response{Outcome: json.RawMessage(submission.Outcome)}}
	switch submission.State {
	case referral.Completed:
		entry.Response.Status = statusLine(http.StatusOK)
		entry.Resource = entriesResponse(submission)
	case referral.Cancelled:
		entry.Response.Status = statusLine(http.StatusGone)
	default:
		entry.Response.Status = statusLine(rejectedStatus(submission.Outcome))
	}
	return responseBundle{
		ResourceType: "Bundle", ID: s.canonicalID(submission), Type: "batch-response", Entry: []responseEntry{entry},
	}
}

// entriesResponse has an entry for each of the request's. Those of a batch that only creates succeed together: nothing
// but the store can fail them, and that fails the delivery.
func entriesResponse(submission postgres.Submission) *responseBundle {
	b := &responseBundle{ResourceType: "Bundle", Type: "transaction-response"}
	if submission.BundleType == "batch" {
		b.Type = "batch-response"
	}
	for _, version := range submission.Resources {
		_, number, _ := strings.Cut(version, "/_history/")
		b.Entry = append(b.Entry, responseEntry{Response: response{
			Status: statusLine(http.StatusCreated), Location: version, ETag: `W/"` + number + `"`,
			LastModified: formatInstant(submission.SettledAt),
		}})
	}
	return b
}

// rejectedStatus returns the 4xx of a rejected submission: that of the first issue that fails in its outcome.
func rejectedStatus(outcome string) int {
	if o, err := fhir.Parse([]byte(outcome), "OperationOutcome", fhir.Limits{}); err == nil {
		var e fhir.Error
		issues := o.Get("issue").Items()
		for i := range issues {
			e.Issues = append(e.Issues, fhir.Issue{
				Severity: fhir.Severity(issues[i].Get("severity").Text()), Code: fhir.Code(issues[i].Get("code").Text()),
			})
		}
		if status := fhirhttp.Status(&e); status < 500 {
			return status
		}
	}
	return http.StatusUnprocessableEntity
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

func formatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) canonicalID(submission postgres.Submission) string {
	return s.Keys.Mint(referral.Submission{
		Org: submission.Org, AcceptedAt: submission.AcceptedAt, Digest: submission.Digest,
	})
}
