package postgres_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// TestReindexFindsWhatAnEarlierReleaseStored: with an index that has nothing, a search finds nothing; afterwards it does,
// also when the first run was ended, and a run more adds nothing.
func TestReindexFindsWhatAnEarlierReleaseStored(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	var want []string
	for n := range 250 { // two batches of the three resources each
		want = append(want, settleFrom(t, db, sender, n, recipient).Resources[1].ID.String())
	}
	slices.Reverse(want)
	before := column(t, url, `select h || ' ' || vid from idx order by 1`)
	execute(t, url, `delete from idx where h > 0`) // not the lists, whose keys are below
	find := func() []string {
		t.Helper()
		found, _, err := db.Search(t.Context(), recipient, postgres.Search{Type: "ServiceRequest", Count: 1000, Bytes: 1 << 24, Lead: []search.KeyRange{{Low: 1, High: 1<<63 - 1}}})
		if err != nil {
			t.Fatal(err)
		}
		return versionIDs(found)
	}
	if got := find(); len(got) > 0 {
		t.Fatalf("without an index: got %d", len(got))
	}
	ctx, end := context.WithCancel(t.Context())
	var reached postgres.Reindexed
	if err := postgres.Reindex(ctx, postgres.Config{URL: url}, 0, func(r postgres.Reindexed) {
		reached = r
		end()
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("ended after a batch: got %v", err)
	}
	if err := postgres.Reindex(t.Context(), postgres.Config{URL: url}, reached.VID, func(r postgres.Reindexed) { reached = r }); err != nil {
		t.Fatal(err)
	}
	if got := find(); !slices.Equal(got, want) {
		t.Errorf("afterwards: got %d, want %d", len(got), len(want))
	}
	if got := column(t, url, `select h || ' ' || vid from idx order by 1`); !slices.Equal(got, before) {
		t.Errorf("got %d keys, want the %d that settling wrote", len(got), len(before))
	}
	if err := postgres.Reindex(t.Context(), postgres.Config{URL: url}, 0, func(r postgres.Reindexed) { reached = r }); err != nil || reached.Keys != 0 || reached.Done != reached.Total {
		t.Errorf("again: got %+v, %v, want all done and no key", reached, err)
	}
}
