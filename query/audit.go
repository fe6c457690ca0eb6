package query

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// disclose records that the caller is shown versions, before it is: without the record there is no answer. interaction is
// FHIR's, entity what was asked for, and query how.
func (s *Server) disclose(w *fhirhttp.Response, r *http.Request, interaction, entity, query string, versions ...postgres.Version) error {
	shown, err := s.shown(versions)
	if err != nil {
		return err
	}
	return s.record(w, r, postgres.Access{Interaction: interaction, Entity: entity, Query: query, Shown: shown})
}

// record writes the audit of an answer.
func (s *Server) record(w *fhirhttp.Response, r *http.Request, a postgres.Access) error {
	a.Client, a.RequestID = w.Principal.Client, w.RequestID
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	if err := s.Store.Accessed(ctx, w.Principal.Org, a); err != nil {
		return fhir.NewError(fhir.CodeTransient, "", "").WithCause(errors.Join(errors.New("no answer without its audit"), err))
	}
	return nil
}

// shown sorts versions by the patients that they are about.
func (s *Server) shown(versions []postgres.Version) ([]postgres.Shown, error) {
	var all patients
	for _, v := range versions {
		patient, err := s.patientOf(v)
		if err != nil {
			return nil, err
		}
		all.add(patient, v.Name())
	}
	return all, nil
}

// about is what is shown of submissions.
func (s *Server) about(submissions ...postgres.Submission) []postgres.Shown {
	var all patients
	for _, submission := range submissions {
		all.add(s.local(submission.Patient), submission.Resources...)
	}
	return all
}

// patients are what is shown of each, in the order in which it is.
type patients []postgres.Shown

func (p *patients) add(patient string, resources ...string) {
	i := slices.IndexFunc(*p, func(s postgres.Shown) bool { return s.Patient == patient })
	if i < 0 {
		i, *p = len(*p), append(*p, postgres.Shown{Patient: patient})
	}
	(*p)[i].Resources = append((*p)[i].Resources, resources...)
}

// patientOf returns the id of the patient of this server that a version is about, or "".
func (s *Server) patientOf(v postgres.Version) (string, error) {
	if v.Type == "Patient" {
		return v.ID, nil
	}
	p, ok := search.Lookup(v.Type, "patient")
	if !ok || !strings.Contains(v.Content, "Patient") {
		return "", nil
	}
	resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
	if err != nil {
		return "", err
	}
	for _, reference := range search.References(resource, p) {
		return s.local(reference), nil
	}
	return "", nil
}

// local returns the id in a reference to a resource of this server, or "".
func (s *Server) local(reference string) string {
	if _, id, ok := localTarget(reference, s.BaseURL.JoinPath("fhir/").String()); ok {
		return id.String()
	}
	return ""
}
