package query

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// status tells a sender how its submission stands (FHIR R4 async.html, R5 async-bundle.html): 202 until it has
// settled, then 200 with a batch-response whose one entry is the outcome of the request. An id proves itself, so that
// a genuine one without a row, or with a store that does not answer, is accepted and not unknown. A poll may prefer to
// wait for the settlement (RFC 7240 §4.3), and to see another part of it than was preferred when sending.
func (s *Server) status(w *fhirhttp.Response, r *http.Request) error {
	id := r.PathValue("id")
	claimed, err := s.Keys.Verify(w.Principal.Org, id)
	if err != nil {
		return notFound()
	}
	w.Submission = id
	prefer := fhirhttp.Prefer(r)
	submission, settled, err := s.await(r.Context(), prefer, claimed)
	if err != nil {
		return s.unreadable(w, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	if !settled {
		var found bool
		var pace postgres.Pace
		submission, found, pace, err = s.Store.Standing(ctx, claimed.Org, claimed.Digest)
		switch now := s.Now(); {
		case err != nil:
			return s.unreadable(w, err)
		case !found:
			inProgress(w, progress(pace, now), after(pace, now, claimed.AcceptedAt))
			return nil
		case !submission.State.Settled():
			inProgress(w, "accepted; it could not be settled and waits for an operator of the server", maxUnknown)
			return nil
		}
	}
	body, err := s.answers.Status(ctx, submission, referral.Return(prefer.Return))
	if err != nil {
		return s.unreadable(w, err)
	}
	if err := s.record(w, r, postgres.Access{Interaction: "read", Entity: "_status/" + id, Shown: s.about(submission)}); err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

// maxWait is what API Gateway and Lambda leave of half a minute.
const maxWait = 20 * time.Second

// await returns the submission of a poll that prefers to wait, once it has settled; settled is false when it has not
// within that time, or when nobody waits.
func (s *Server) await(ctx context.Context, prefer fhirhttp.Preferences, claimed referral.Submission) (submission postgres.Submission, settled bool, err error) {
	if prefer.Wait <= 0 || prefer.Async || s.Await == nil {
		return postgres.Submission{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(prefer.Wait, maxWait))
	defer cancel()
	return s.Await(ctx, claimed.Org, claimed.Digest)
}

// unreadable answers for a store that failed: the submission is accepted all the same. err is for the log.
func (s *Server) unreadable(w *fhirhttp.Response, err error) error {
	if mayAnswerLater(err) {
		inProgress(w, "accepted; the status cannot be read at the moment", maxUnknown)
	}
	return err
}

// The bounds of Retry-After: where it is known how far settling lags behind, and where it is not.
const (
	maxKnown   = 120 * time.Second
	maxUnknown = 10 * time.Second
)

// after says when it is worth asking again for what was accepted at a time: when the lag of what settled last has
// passed. Beyond that, and without knowledge, it grows with the time that passes.
func after(p postgres.Pace, now, accepted time.Time) time.Duration {
	age := now.Sub(accepted)
	if !current(p, now) {
		return retryAfter(age)
	}
	if left := p.Took - age; left > 0 {
		return min(max(left, time.Second), maxKnown)
	}
	return retryAfter(age - p.Took)
}

// current tells whether p is of now: a lag that was is none that is.
func current(p postgres.Pace, now time.Time) bool {
	return !p.SettledAt.IsZero() && now.Sub(p.SettledAt) < maxKnown
}

// retryAfter is a second at first and grows with age.
func retryAfter(age time.Duration) time.Duration {
	return min(max(time.Second+age/5, time.Second), maxUnknown)
}

// progress says what is known of a submission that has no row.
func progress(p postgres.Pace, now time.Time) string {
	text := "accepted, not settled yet"
	if current(p, now) {
		text += "; the last one before took " + max(p.Took, 0).Round(time.Millisecond).String() + " to settle"
	}
	return text
}

func inProgress(w *fhirhttp.Response, progress string, after time.Duration) {
	w.Header().Set("X-Progress", progress)
	w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "The submission is " + progress + ".",
	}}))
}

// cancel keeps a submission from settling, where that has not happened (FHIR R4 async.html, deleting the status URL).
func (s *Server) cancel(w *fhirhttp.Response, r *http.Request) error {
	id := r.PathValue("id")
	claimed, err := s.Keys.Verify(w.Principal.Org, id)
	if err != nil {
		return notFound()
	}
	w.Submission = id
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	state, err := s.Store.Cancel(ctx, postgres.Cancellation{
		Org: claimed.Org, Digest: claimed.Digest, AcceptedAt: claimed.AcceptedAt, Client: w.Principal.Client, RequestID: w.RequestID,
	})
	if err != nil {
		return storeError(err)
	}
	if state != referral.Cancelled {
		return fhir.NewError(fhir.CodeConflict, "", "The submission has settled already: its status says how")
	}
	fhirhttp.Write(w, http.StatusAccepted, fhir.Outcome([]fhir.Issue{{
		Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "The submission is cancelled: it will not settle.",
	}}))
	return nil
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

func formatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
