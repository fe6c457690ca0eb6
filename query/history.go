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

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// historyQuery is a history as it was asked for.
type historyQuery struct {
	postgres.History
	page       string     // token of a next link, or empty
	understood url.Values // of the parameters, without page
}

// historyBundle is a Bundle of type history (FHIR R4 http.html#history).
type historyBundle struct {
	ResourceType string         `json:"resourceType"`
	Type         string         `json:"type"`
	Total        int            `json:"total"`
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
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fhir.NewError(fhir.CodeValue, "", "The query string is malformed")
	}
	q, err := parseHistory(values, handlesStrictly(r))
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
	body, err := encode(s.historyBundle(w.Principal.Org, q, versions))
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

func (s *Server) historyBundle(org string, q historyQuery, versions postgres.Versions) historyBundle {
	address := s.BaseURL.JoinPath("fhir", q.Type, q.ID.String())
	b := historyBundle{
		ResourceType: "Bundle", Type: "history", Total: versions.Total,
		Link: []bundleLink{{"self", pageURL(address.JoinPath("_history"), q.understood, "")}},
	}
	if n := len(versions.Found); versions.More && n > 0 {
		token := s.signPlace(binary.BigEndian.AppendUint64(nil, uint64(versions.Found[n-1].Number)), historyPurpose, q.bound(org)...)
		b.Link = append(b.Link, bundleLink{"next", pageURL(address.JoinPath("_history"), q.understood, token)})
	}
	for i, v := range versions.Found {
		e := historyEntry{
			FullURL: address.String(), Request: historyRequest{http.MethodPut, v.Type + "/" + v.ID},
			Response: historyResponse{Status: statusLine(http.StatusOK), ETag: etag(v), LastModified: formatInstant(v.LastUpdated)},
		}
		switch {
		case v.Deleted:
			e.Request.Method, e.Response.Status = http.MethodDelete, statusLine(http.StatusNoContent)
		case v.Number == 1:
			e.Request = historyRequest{http.MethodPost, v.Type}
			e.Response.Status = statusLine(http.StatusCreated)
		case versions.Revives[i]:
			e.Response.Status = statusLine(http.StatusCreated)
		}
		if !v.Deleted {
			e.Resource = v.JSON()
		}
		b.Entry = append(b.Entry, e)
	}
	return b
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
func parseHistory(values url.Values, strict bool) (historyQuery, error) {
	q := historyQuery{History: postgres.History{Count: defaultCount}, understood: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		known := true
		var err error
		switch name {
		case "_count":
			n, notNumber := strconv.Atoi(values.Get(name))
			if notNumber != nil || n < 1 || len(values[name]) > 1 {
				err = fhir.NewError(fhir.CodeValue, "", "_count is one number from 1")
			}
			q.Count = min(n, maxCount)
		case "_since":
			q.Since, err = parseInstant(name, values.Get(name))
			if len(values[name]) > 1 {
				err = fhir.NewError(fhir.CodeValue, "", "_since stands once")
			}
		case "_page":
			q.page = values.Get(name)
			continue
		case "_format":
			continue // fhirhttp.CheckAccept has seen it
		default:
			known = false
		}
		switch {
		case err != nil:
			return historyQuery{}, err
		case known:
			q.understood[name] = values[name]
		case strict || name == "_at" || name == "_list":
			return historyQuery{}, fhir.NewError(fhir.CodeNotSupported, "",
				"A parameter is not supported; those of a history are _count, _since and _format").WithStatus(http.StatusBadRequest)
		}
	}
	return q, nil
}
