package query

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
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
	form := takeForm(values)
	delete(form, "_format") // who follows a link says it again
	q, err := parseQuery(resourceType, s.BaseURL.JoinPath("fhir/").String(), values, handlesLeniently(r))
	if err != nil {
		return err
	}
	maps.Copy(q.understood, form)
	q.fill = q.fills(w.Principal)
	place, err := s.place(w.Principal.Org, q)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	b, shown, err := s.searchset(ctx, w.Principal.Org, q, shape, place)
	if err != nil {
		return err
	}
	body, err := encode(b)
	if err == nil {
		err = s.disclose(w, r, "search-type", resourceType, q.understood.Encode(), shown...)
	}
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

// searchset is a Bundle of type searchset, as it is written.
type searchset struct {
	ResourceType string           `json:"resourceType"`
	Type         string           `json:"type"`
	Total        *int             `json:"total,omitempty"`
	Link         []bundleLink     `json:"link"`
	Entry        []searchsetEntry `json:"entry,omitempty"`
}

type searchsetEntry struct {
	FullURL  string              `json:"fullUrl,omitempty"`
	Resource json.RawMessage     `json:"resource"`
	Search   searchsetEntryMatch `json:"search"`
}

type searchsetEntryMatch struct {
	Mode string `json:"mode"`
}

// searchset returns a page of what q finds from place on, and what it shows. It may have fewer matches than _count and still a next link:
// at the limit of bytes, or of what a request looks at.
func (s *Server) searchset(ctx context.Context, org string, q query, shape shape, from place) (b searchset, shown []postgres.Version, err error) {
	b = searchset{ResourceType: "Bundle", Type: "searchset", Link: []bundleLink{{"self", s.searchURL(q, "")}}}
	if err := s.resolve(ctx, org, &q); err != nil {
		return b, nil, err
	}
	if shape.counts() || q.count == 0 {
		q.total, q.count = cmp.Or(q.total, totalAccurate), 0
	}
	if b.Total, err = s.totalOf(ctx, org, q); err != nil || q.count == 0 {
		return b, nil, err
	}
	matches, next, err := s.page(ctx, org, q, from)
	if err != nil {
		return b, nil, err
	}
	if next != (place{}) {
		b.Link = append(b.Link, bundleLink{"next", s.searchURL(q, s.pageToken(org, q, next))})
	}
	included, whole, err := s.included(ctx, org, q, matches)
	if err != nil {
		return b, nil, err
	}
	for i, m := range slices.Concat(matches, included) {
		mode := "match"
		if i >= len(matches) {
			mode = "include"
		}
		resource, err := shape.resource(m.version)
		if err != nil {
			return b, nil, err
		}
		shown = append(shown, m.version)
		b.Entry = append(b.Entry, searchsetEntry{s.BaseURL.JoinPath("fhir", m.version.Type, m.version.ID).String(), resource, searchsetEntryMatch{mode}})
	}
	if !whole {
		b.Entry = append(b.Entry, searchsetEntry{"", notWhole, searchsetEntryMatch{"outcome"}})
	}
	return b, shown, nil
}

// notWhole stands in a page that cannot hold all that it should include.
var notWhole = fhir.Outcome([]fhir.Issue{{
	Severity: fhir.SeverityWarning, Code: fhir.CodeTooCostly,
	Details: "Not all that _include and _revinclude ask for fits into this page; ask for fewer matches a page by _count",
}})

// page returns the matches of a page, and where the next one begins; the zero place: there is none.
func (s *Server) page(ctx context.Context, org string, q query, from place) ([]match, place, error) {
	if q.isSorted() {
		return s.sortedPage(ctx, org, q, from)
	}
	p := q.storeSearch(s.PageBytes)
	if from.vid != 0 {
		p = behind(p, from.vid)
	}
	f, err := s.find(ctx, org, q, p, q.count)
	if err != nil || !f.more {
		return f.matches, place{}, err
	}
	return f.matches, place{vid: f.last}, nil
}

// maxSorted is how many matches are put in another order than that of the store.
const maxSorted = 1000

// sorted is a match in the order of a search: where it is, and not what it says.
type sorted struct {
	id   string
	vid  int64
	size int
	keys []*string
}

// sortedPage sorts all matches for each page, and then reads those of the page. The next one begins behind the last match
// of this one, or where that was if it is not there any more.
func (s *Server) sortedPage(ctx context.Context, org string, q query, from place) ([]match, place, error) {
	var all []sorted
	err := s.each(ctx, org, q, maxSorted, func(m *match) error {
		resource, err := m.parsed()
		if err != nil {
			return err
		}
		one := sorted{id: m.version.ID, vid: m.version.VID, size: m.version.Size()}
		for _, by := range q.sorts {
			var key *string
			if text, ok := search.SortKey(resource, by.param); ok {
				text = strings.Clone(text) // lest it keeps the whole resource
				key = &text
			}
			one.keys = append(one.keys, key)
		}
		all = append(all, one)
		return nil
	})
	if err != nil {
		return nil, place{}, err
	}
	slices.SortStableFunc(all, func(a, b sorted) int {
		for i, by := range q.sorts {
			if c := compareKeys(a.keys[i], b.keys[i], by.descending); c != 0 {
				return c
			}
		}
		return 0
	})
	start := int(from.position)
	if i := slices.IndexFunc(all, func(one sorted) bool { return one.vid == from.vid }); i >= 0 {
		start = i + 1
	}
	start = min(start, len(all))
	end := start
	for size := 0; end < len(all) && end-start < q.count && size < s.PageBytes; end++ {
		size += all[end].size
	}
	matches, err := s.readSorted(ctx, org, q, all[start:end])
	if err != nil || end == len(all) {
		return matches, place{}, err
	}
	return matches, place{vid: all[end-1].vid, position: int64(end)}, nil
}

// readSorted returns the resources of a page in its order. One that was changed since it was sorted is as it is now, and
// left out if it does not meet q any more.
func (s *Server) readSorted(ctx context.Context, org string, q query, page []sorted) ([]match, error) {
	if len(page) == 0 {
		return nil, nil
	}
	q.byID, q.ids = true, nil
	position := map[string]int{}
	for i, one := range page {
		id, err := referral.ParseUUID(one.id)
		if err != nil {
			return nil, err
		}
		q.ids = append(q.ids, id)
		position[one.id] = i
	}
	p := q.storeSearch(math.MaxInt32) // the page was cut by size before
	p.Count = len(page)
	versions, _, err := s.Store.Search(ctx, org, p)
	if err != nil {
		return nil, storeError(err)
	}
	slices.SortFunc(versions, func(a, b postgres.Version) int { return cmp.Compare(position[a.ID], position[b.ID]) })
	var matches []match
	for _, v := range versions {
		m := match{version: v}
		if fits, err := q.fits(&m); err != nil {
			return nil, err
		} else if fits {
			matches = append(matches, m)
		}
	}
	return matches, nil
}

// compareKeys puts what has no value last (FHIR R4 search.html#sort leaves it open).
func compareKeys(a, b *string, descending bool) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	case descending:
		return strings.Compare(*b, *a)
	default:
		return strings.Compare(*a, *b)
	}
}

// maxTotal is how many matches are counted.
const maxTotal = 10000

// totalOf returns the number of matches as far as it is wanted. An estimate of more than are counted is left out.
func (s *Server) totalOf(ctx context.Context, org string, q query) (*int, error) {
	if q.total == totalNone {
		return nil, nil
	}
	n := 0
	err := s.each(ctx, org, q, maxTotal, func(*match) error { n++; return nil })
	if err != nil && fhir.CodeOf(err) == fhir.CodeTooCostly && q.total == totalEstimate {
		return nil, nil
	}
	return &n, err
}
