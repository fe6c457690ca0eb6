package query

import (
	"context"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// referralView is a submission as plain JSON for people and scripts.
type referralView struct {
	ID         string         `json:"id"` // canonical
	State      referral.State `json:"state"`
	AcceptedAt string         `json:"acceptedAt"`
	SettledAt  string         `json:"settledAt,omitempty"`
	Attempts   int            `json:"attempts"`
	From       string         `json:"from"`
	To         []string       `json:"to"`
	Patient    string         `json:"patient,omitempty"`
	Service    string         `json:"service,omitempty"`
	Priority   string         `json:"priority,omitempty"`
	Authored   string         `json:"authored,omitempty"` // as the sender wrote it
	Resources  []string       `json:"resources"`
}

// referral serves one submission. Sender and addressed recipient use the same id, that of the sender's status URL.
// The tag in an id is bound to the sender, so that a recipient cannot prove it: its digest finds the row, if the
// caller may see that, and the row's sender decides whether the tag is genuine.
func (s *Server) referral(w *fhirhttp.Response, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	submission, err := s.submissionOf(ctx, w.Principal.Org, r.PathValue("id"))
	if err != nil {
		return err
	}
	view := s.view(submission)
	w.Submission = view.ID
	body, err := encode(view)
	if err == nil {
		err = s.record(w, r, postgres.Access{Interaction: "read", Entity: "referrals/" + view.ID, Shown: s.about(submission)})
	}
	if err != nil {
		return err
	}
	fhirhttp.WriteAs(w, http.StatusOK, plainJSON, body)
	return nil
}

func (s *Server) view(submission postgres.Submission) referralView {
	view := referralView{
		ID: s.answers.CanonicalID(submission), State: submission.State, AcceptedAt: formatInstant(submission.AcceptedAt),
		Attempts: submission.Attempts, From: submission.Org, To: append([]string{}, submission.Readers...),
		Patient: submission.Patient, Service: submission.Service, Priority: submission.Priority, Authored: submission.Authored,
		Resources: []string{},
	}
	if submission.State != referral.Queued {
		view.SettledAt = formatInstant(submission.SettledAt)
	}
	for _, version := range submission.Resources {
		resource, _, _ := strings.Cut(version, "/_history/")
		view.Resources = append(view.Resources, resource)
	}
	return view
}

// submissionOf returns the submission of id to its sender and to the organisations it is addressed to; it is queued
// when the sender's id is genuine and has no row. The error is notFound for any other id.
func (s *Server) submissionOf(ctx context.Context, org, id string) (postgres.Submission, error) {
	digest, err := referral.Claim(id)
	if err != nil {
		return postgres.Submission{}, notFound()
	}
	submission, found, err := s.Store.Submission(ctx, org, digest)
	if err != nil {
		return postgres.Submission{}, storeError(err)
	}
	if !found {
		submission = postgres.Submission{Org: org, State: referral.Queued}
	}
	claimed, err := s.Keys.Verify(submission.Org, id)
	if err != nil {
		return postgres.Submission{}, notFound()
	}
	if !found {
		submission.AcceptedAt, submission.Digest = claimed.AcceptedAt, claimed.Digest
	}
	return submission, nil
}
