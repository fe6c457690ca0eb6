package query

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// historyQuery is a history as it was asked for.
type historyQuery struct {
	postgres.History
	shape      shape
	page       string     // token of a next link, or empty
	understood url.Values // of the parameters, without page
}

// historyBundle is a Bundle of type history (FHIR R4 http.html#history).
type historyBundle struct {
	ResourceType string         `json:"resourceType"`
	Type         string         `json:"type"`
	Total        *int           `json:"total,omitempty"` // nil: nobody counts
	Link         []bundleLink   `json:"link"`
	Entry        []historyEntry `json:"entry,omitempty"`
}

type bundleLink struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

type historyEntry struct {
	FullURL  string          `json:"fullUrl"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Request  historyRequest  `json:"request"`
	Response historyResponse `json:"response"`
}

type historyRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type historyResponse struct {
	Status       string `json:"status"`
	ETag         string `json:"etag"`
	LastModified string `json:"lastModified"`
}

// history serves the versions of a resource, newest first, deletions among them.
func (s *Server) history(w *fhirhttp.Response, r *http.Request) error {
	resourceType := r.PathValue("type")
	if err := checkType(resourceType); err != nil {
		return err
	}
	q, err := parseHistory(r)
	if err != nil {
		return err
	}
	if q.ID, err = referral.ParseUUID(r.PathValue("id")); err != nil {
		return notFound()
	}
	q.Type, q.Bytes = resourceType, s.PageBytes
	if q.Before, err = s.historyPlace(w.Principal.Org, q); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	versions, known, err := s.Store.History(ctx, w.Principal.Org, q.History)
	if err != nil {
		return storeError(err)
	}
	if !known {
		return notFound()
	}
	address := s.BaseURL.JoinPath("fhir", q.Type, q.ID.String(), "_history")
	b := historyBundle{
		ResourceType: "Bundle", Type: "history", Total: &versions.Total,
		Link: []bundleLink{{"self", pageURL(address, q.understood, "")}},
	}
	if n := len(versions.Found); versions.More && n > 0 && !q.shape.counts() {
		token := s.signPlace(binary.BigEndian.AppendUint64(nil, uint64(versions.Found[n-1].Number)), historyPurpose, q.bound(w.Principal.Org)...)
		b.Link = append(b.Link, bundleLink{"next", pageURL(address, q.understood, token)})
	}
	return s.writeHistory(w, r, "history-instance", b, versions, q.shape)
}

// writeHistory answers with b after the entries of versions are added to it.
func (s *Server) writeHistory(w *fhirhttp.Response, r *http.Request, interaction string, b historyBundle, versions postgres.Versions, shape shape) error {
	for i, v := range versions.Found {
		if shape.counts() {
			break
		}
		entry, err := s.historyEntry(v, versions.Revives[i], shape)
		if err != nil {
			return err
		}
		b.Entry = append(b.Entry, entry)
	}
	body, err := encode(b)
	if err == nil {
		err = s.disclose(w, r, interaction, strings.TrimPrefix(r.URL.Path, "/fhir/"), "", versions.Found...)
	}
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

func (s *Server) historyEntry(v postgres.Version, revives bool, shape shape) (e historyEntry, err error) {
	e = historyEntry{
		FullURL: s.BaseURL.JoinPath("fhir", v.Type, v.ID).String(), Request: historyRequest{http.MethodPut, v.Type + "/" + v.ID},
		Response: historyResponse{Status: statusLine(http.StatusOK), ETag: etag(v), LastModified: formatInstant(v.LastUpdated)},
	}
	switch {
	case v.Deleted:
		e.Request.Method, e.Response.Status = http.MethodDelete, statusLine(http.StatusNoContent)
		return e, nil
	case v.Number == 1:
		e.Request = historyRequest{http.MethodPost, v.Type}
		e.Response.Status = statusLine(http.StatusCreated)
	case revives:
		e.Response.Status = statusLine(http.StatusCreated)
	}
	e.Resource, err = shape.resource(v)
	return e, err
}

// bound is what a page token of q holds for, and nothing else.
func (q historyQuery) bound(org string) []string {
	return []string{org, q.Type, q.ID.String(), q.understood.Encode()}
}

// historyPlace returns the version in q's page token, 0 without one.
func (s *Server) historyPlace(org string, q historyQuery) (int, error) {
	if q.page == "" {
		return 0, nil
	}
	place, ok := s.signedPlace(q.page, 8, historyPurpose, q.bound(org)...)
	if !ok {
		return 0, fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this history for this client")
	}
	return int(binary.BigEndian.Uint64(place)), nil
}

// parseHistory understands the parameters of a history. Those it does not know are ignored, or refused when strict;
// those of the standard that are not served are always refused: ignoring them would answer another question.
func parseHistory(r *http.Request) (historyQuery, error) {
	values, err := parameters(r)
	if err != nil {
		return historyQuery{}, err
	}
	q := historyQuery{History: postgres.History{Count: defaultCount}, page: values.Get("_page"), understood: url.Values{}}
	if q.shape, err = parseShape(values); err != nil {
		return historyQuery{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case name == "_count":
			q.Count, err = parseCount(values[name])
		case name == "_since":
			q.Since, err = parseInstant(name, values.Get(name))
			if len(values[name]) > 1 {
				err = fhir.NewError(fhir.CodeValue, "", "_since stands once")
			}
		case name == "_page":
			continue
		case slices.Contains(formParameters(), name): // fhirhttp and shape have seen it
		case name == "_at" || name == "_list" || handlesStrictly(r):
			err = unsupported("a history", "_count", "_since")
		default:
			continue
		}
		if err != nil {
			return historyQuery{}, err
		}
		q.understood[name] = values[name]
	}
	return q, nil
}

// parseCount reads _count, which stands once.
func parseCount(values []string) (int, error) {
	n, err := strconv.Atoi(values[0])
	if err != nil || n < 1 || len(values) > 1 {
		return 0, fhir.NewError(fhir.CodeValue, "", "_count is one number from 1")
	}
	return min(n, maxCount), nil
}
