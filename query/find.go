package query

import (
	"context"
	"math"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// match is a resource that was found.
type match struct {
	version  postgres.Version
	resource *fhir.Value // nil: not parsed yet
}

func (m *match) parsed() (*fhir.Value, error) {
	if m.resource == nil {
		v, err := fhir.Parse(m.version.JSON(), m.version.Type, fhir.Limits{})
		if err != nil {
			return nil, err
		}
		m.resource = v
	}
	return m.resource, nil
}

// What one request looks at: where the index alone cannot tell, many resources are read for one that fits.
const (
	maxLooked  = 10000
	lookedPage = 250
)

// found is a part of what a search finds.
type found struct {
	matches []match
	last    int64 // vid of what was looked at last
	more    bool  // there may be more behind it
}

// find returns at most count resources that meet q, from p on: fewer, and more of them behind, where their size reaches
// that of a page or too many others have been looked at. chains are resolved.
func (s *Server) find(ctx context.Context, org string, q query, p postgres.Search, count int) (found, error) {
	var f found
	if q.findsNothing() {
		return f, nil
	}
	size := 0
	for looked := 0; looked < maxLooked; {
		p.Count = min(max(count-len(f.matches), looked), lookedPage) // the less fits, the more is looked at
		versions, more, err := s.Store.Search(ctx, org, p)
		if err != nil {
			return found{}, storeError(err)
		}
		looked += len(versions)
		for i, v := range versions {
			f.last, f.more = v.VID, more || i < len(versions)-1
			m := match{version: v}
			if fits, err := q.fits(&m); err != nil {
				return found{}, err
			} else if !fits {
				continue
			}
			f.matches = append(f.matches, m)
			if size += v.Size(); len(f.matches) == count || size >= s.PageBytes {
				return f, nil
			}
		}
		if f.more = more; !more {
			break
		}
		p = behind(p, f.last)
	}
	return f, nil
}

// each calls visit with all that meets q. The error is that of visit, or tells the caller that it is more than limit, or
// that too much has to be looked at. No more than a page is held at once, so visit keeps what it needs and not the match.
func (s *Server) each(ctx context.Context, org string, q query, limit int, visit func(*match) error) error {
	p := q.storeSearch(s.PageBytes)
	for n := 0; ; {
		f, err := s.find(ctx, org, q, p, limit+1-n)
		if err != nil {
			return err
		}
		if n += len(f.matches); n > limit || f.more && len(f.matches) == 0 {
			return errTooMany(limit)
		}
		for i := range f.matches {
			if err := visit(&f.matches[i]); err != nil {
				return err
			}
		}
		if !f.more {
			return nil
		}
		p = behind(p, f.last)
	}
}

// fits tells whether a resource that the index led to meets all criteria indeed.
func (q query) fits(m *match) (bool, error) {
	if len(q.criteria) == 0 {
		return true, nil
	}
	v, err := m.parsed()
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

// storeSearch is how the store is asked for what meets q.
func (q query) storeSearch(bytes int) postgres.Search {
	plan := search.MakePlan(q.resourceType, q.criteria)
	p := postgres.Search{
		Type: q.resourceType, IDs: q.ids, Lead: plan.Lead, Checks: plan.Checks, Before: math.MaxInt64, Bytes: bytes,
		Forward: q.forward(), Settled: q.follows || q.forward(), Fill: q.fill,
	}
	if q.byID {
		p.Lead, p.Checks = nil, nil // the ids lead, and the content is looked at
	}
	for _, c := range q.criteria {
		if c.Of(lastUpdated) {
			low, high := c.Between()
			p.After, p.Before = max(p.After, postgres.FirstVID(low)-1), min(p.Before, postgres.FirstVID(high))
		}
	}
	return p
}

// behind is p from the version with vid on.
func behind(p postgres.Search, vid int64) postgres.Search {
	if p.Forward {
		p.After = vid
	} else {
		p.Before = vid
	}
	return p
}

// findsNothing tells that no resource can fit, such as one whose patient is a Group.
func (q query) findsNothing() bool {
	for _, c := range q.criteria {
		if c.FindsNothing() {
			return true
		}
	}
	return q.byID && len(q.ids) == 0
}
