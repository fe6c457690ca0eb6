package processor_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// lagging is a store whose reads show what was there when it was first asked, as a cache or a replica would.
type lagging struct {
	query.Store
	seen map[referral.UUID]postgres.Version
}

func (l lagging) Read(ctx context.Context, org, resourceType string, id referral.UUID) (postgres.Version, bool, error) {
	if v, ok := l.seen[id]; ok {
		return v, true, nil
	}
	v, found, err := l.Store.Read(ctx, org, resourceType, id)
	if found {
		l.seen[id] = v
	}
	return v, found, err
}

// TestSettledIsReadAtOnce: as soon as an update has committed, its status is completed and reads, searches and the history
// show it. The control is a store that lags: it shows what was there before.
func TestSettledIsReadAtOnce(t *testing.T) {
	f := newFixture(t)
	for i, test := range []struct {
		name  string
		wrap  func(query.Store) query.Store
		stale bool
	}{
		{"of the store", nil, false},
		{"of a copy", func(s query.Store) query.Store { return lagging{s, map[referral.UUID]postgres.Version{}} }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			reads := f.front(t, 0, test.wrap)
			family := "p" + strconv.Itoa(i)
			_, created := f.settle(t, f.write(100*i, "POST", "Patient", patient("", family)))
			id := idOf(created[0])
			reads.ask(t, "GET", "/fhir/Patient/"+id, "")
			stale := 0
			for n := 2; n < 12; n++ {
				language := `"en-` + strconv.Itoa(n) + `"`
				m := f.write(100*i+n, "PUT", "Patient/"+id, strings.Replace(patient(id, family), `"name"`, `"language":`+language+`,"name"`, 1))
				if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
					t.Fatalf("got %q, %v", state, err)
				}
				for url, want := range map[string]string{
					"/fhir/_status/" + m.ID:                    "_history/" + strconv.Itoa(n),
					"/fhir/Patient?identifier=urn:x|" + family: language,
					"/fhir/Patient/" + id + "/_history":        language,
				} {
					if w := reads.ask(t, "GET", url, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
						t.Errorf("%s: got %d %s, want %s", url, w.Code, w.Body, want)
					}
				}
				if w := reads.ask(t, "GET", "/fhir/Patient/"+id, ""); w.Header().Get("ETag") != `W/"`+strconv.Itoa(n)+`"` {
					stale++
				}
			}
			if test.stale != (stale > 0) {
				t.Errorf("%d of 10 reads are stale, want some: %v", stale, test.stale)
			}
		})
	}
}
