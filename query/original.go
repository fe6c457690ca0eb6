package query

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// original serves the body of a submission, byte for byte as it was received: to its sender, and to an organisation
// that it is addressed to when that may read all of it, as versions that this submission wrote. An id proves itself as for referral; one that has no row yet is
// accepted, and its sender may come again.
func (s *Server) original(w *fhirhttp.Response, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	submission, err := s.submissionOf(ctx, w.Principal.Org, r.PathValue("id"))
	if err != nil {
		return err
	}
	w.Submission = s.answers.CanonicalID(submission)
	switch submission.State {
	case referral.Queued:
		inProgress(w, "accepted, not settled yet", retryAfter(s.Now().Sub(submission.AcceptedAt)))
		return nil
	case referral.Cancelled:
		return fhir.NewError(fhir.CodeDeleted, "", "The submission was cancelled before it settled")
	default: // its bytes are kept
	}
	o, found, err := s.Store.Original(ctx, w.Principal.Org, submission.Digest)
	if err != nil {
		return storeError(err)
	}
	if !found {
		return notFound()
	}
	if o.BundleType == postgres.Removed {
		return fhir.NewError(fhir.CodeDeleted, "", "The body of the submission is removed: the time for which it is kept is over")
	}
	body, err := queue.Unpack(o.Content)
	if err != nil || sha256.Sum256(body) != o.SHA256 {
		return errors.New("the body of a submission is not the one that was received")
	}
	if submission.Org != w.Principal.Org && !isWritten(o.BundleType, body) {
		return notFound()
	}
	// The digest is RFC 9530's; it is a strong validator as well.
	etag := `"` + hex.EncodeToString(o.SHA256[:]) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(o.SHA256[:])+":")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if err := s.record(w, r, postgres.Access{Interaction: "read", Entity: "referrals/" + w.Submission + "/bundle", Shown: s.about(submission)}); err != nil {
		return err
	}
	if len(body) == 0 { // of a deletion
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	if o.BundleType == "patch" {
		w.Header().Set("Content-Type", "application/json-patch+json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) //nolint:gosec // G705: JSON with its own content type; and the client's loss if it has gone
	return nil
}

// isWritten tells that all entries of a body became versions as they stand, as far as their requests tell: a patch also has
// what it looks for and what it removes.
func isWritten(bundleType string, body []byte) bool {
	if bundleType != "transaction" && bundleType != "batch" {
		return true // the store has told
	}
	document, err := fhir.Parse(body, "Bundle", fhir.Limits{})
	return err == nil && !slices.ContainsFunc(fhir.AsBundle(document).Entries, func(e fhir.Entry) bool {
		method := e.Get("request").Get("method").Text()
		return method != http.MethodPost && method != http.MethodPut
	})
}
