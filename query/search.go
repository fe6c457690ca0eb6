package query

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// search serves GET /fhir/{type} (FHIR R4 http.html#search).
func (s *Server) search(w *fhirhttp.Response, r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fhir.NewError(fhir.CodeValue, "", "The query string is malformed")
	}
	return s.searchFor(w, r, values)
}

// maxForm is in bytes.
const maxForm = 64 << 10

// searchForm serves POST /fhir/{type}/_search, which keeps identifiers out of the logs of URLs. Parameters in the URL
// count as well.
func (s *Server) searchForm(w *fhirhttp.Response, r *http.Request) error {
	values, err := fhirhttp.ReadForm(w, r, maxForm)
	if err != nil {
		return err
	}
	return s.searchFor(w, r, values)
}

func (s *Server) searchFor(w *fhirhttp.Response, r *http.Request, values url.Values) error {
	resourceType := r.PathValue("type")
	if err := checkType(resourceType); err != nil {
		return err
	}
	shape, err := parseShape(values)
	if err != nil {
		return err
	}
	if shape.counts() {
		return fhir.NewError(fhir.CodeNotSupported, "", "_summary=count asks for the number of matches alone, which this server does not count").
			WithStatus(http.StatusBadRequest)
	}
	form := takeForm(values)
	delete(form, "_format") // who follows a link says it again
	q, err := parseQuery(resourceType, s.BaseURL.JoinPath("fhir/").String(), values, handlesStrictly(r))
	if err != nil {
		return err
	}
	maps.Copy(q.understood, form)
	before, err := s.cursor(w.Principal.Org, q)
	if err != nil {
		return err
	}
	var found []postgres.Version
	var more bool
	if !q.findsNothing() {
		ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
		defer cancel()
		found, more, err = s.Store.Search(ctx, w.Principal.Org, q.storeSearch(before, s.PageBytes))
		if err != nil {
			return storeError(err)
		}
	}
	body, err := s.searchset(w.Principal.Org, q, shape, found, more)
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

// searchset returns a Bundle of what fits of found. A page may have fewer entries than _count and still a next link:
// where keys of the index collided, or at the limit of bytes.
func (s *Server) searchset(org string, q query, shape shape, found []postgres.Version, more bool) ([]byte, error) {
	type link struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	}
	links := []link{{"self", s.searchURL(q, "")}}
	if more {
		links = append(links, link{"next", s.searchURL(q, s.pageToken(org, q, found[len(found)-1].VID))})
	}
	head, err := encode(links)
	if err != nil {
		return nil, err
	}
	b := append([]byte(`{"resourceType":"Bundle","type":"searchset","link":`), head...)
	entries := 0
	for _, v := range found {
		resource := v.JSON()
		if fits, err := q.matches(resource); err != nil {
			return nil, err
		} else if !fits {
			continue
		}
		if resource, err = shape.resource(v); err != nil {
			return nil, err
		}
		if entries == 0 {
			b = append(b, `,"entry":[`...)
		} else {
			b = append(b, ',')
		}
		entries++
		b = append(b, `{"fullUrl":"`...)
		b = append(b, s.BaseURL.JoinPath("fhir", v.Type, v.ID).String()...)
		b = append(b, `","resource":`...)
		b = append(b, resource...)
		b = append(b, `,"search":{"mode":"match"}}`...)
	}
	if entries > 0 {
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

// matches tells whether a resource that the index led to meets all criteria indeed.
func (q query) matches(resource []byte) (bool, error) {
	if len(q.criteria) == 0 {
		return true, nil
	}
	v, err := fhir.Parse(resource, q.resourceType, fhir.Limits{})
	if err != nil {
		return false, err
	}
	for _, c := range q.criteria {
		if !c.Match(v) {
			return false, nil
		}
	}
	return true, nil
}

func (q query) storeSearch(before int64, bytes int) postgres.Search {
	p := postgres.Search{Type: q.resourceType, IDs: q.ids, Before: before, Count: q.count, Bytes: bytes}
	lead := slices.IndexFunc(q.criteria, search.Criterion.Leads)
	p.ByList = lead < 0
	for i, c := range q.criteria {
		p.Criteria = append(p.Criteria, c.Keys)
		if i == lead {
			p.Criteria[0], p.Criteria[i] = p.Criteria[i], p.Criteria[0]
		}
	}
	return p
}

// findsNothing tells that no resource can fit, such as one whose patient is a Group.
func (q query) findsNothing() bool {
	for _, c := range q.criteria {
		if len(c.Keys) == 0 {
			return true
		}
	}
	return q.byID && len(q.ids) == 0
}
