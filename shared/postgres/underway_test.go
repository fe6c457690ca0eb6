package postgres_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// newer returns the ids of what the recipient finds of requests above vid, oldest first, and the vid of the last one.
func newer(t testing.TB, db *postgres.DB, vid int64, settled bool) ([]string, int64) {
	t.Helper()
	found, more, err := db.Search(t.Context(), recipient, postgres.Search{
		Type: "ServiceRequest", After: vid, Forward: true, Settled: settled, Count: 1000, Bytes: 1 << 24,
	})
	if err != nil || more {
		t.Fatalf("more %v, %v", more, err)
	}
	if len(found) > 0 {
		vid = found[len(found)-1].VID
	}
	return versionIDs(found), vid
}

// TestWhoFollowsDoesNotPassWhatCommitsLate: a settlement that is stalled before its commit holds back what is newer from
// those who follow, and from nobody else.
func TestWhoFollowsDoesNotPassWhatCommitsLate(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	early := submission(t, sender, 1, recipient)
	var late *postgres.Settlement
	if err := db.SettleStalled(t.Context(), early, func() {
		late = settleFrom(t, db, unrelated, 2, recipient)
		if got, _ := newer(t, db, 0, true); len(got) > 0 {
			t.Errorf("while an earlier one is under way: got %v, want nothing yet", got)
		}
		if got, _ := newer(t, db, 0, false); !slices.Equal(got, []string{late.Resources[1].ID.String()}) {
			t.Errorf("without the mechanism: got %v, want the later one, whose follower misses the earlier one", got)
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{early.Resources[1].ID.String(), late.Resources[1].ID.String()}
	if got, _ := newer(t, db, 0, true); !slices.Equal(got, want) {
		t.Errorf("when both have committed: got %v, want %v", got, want)
	}
}

// TestFollowerSeesEachOnce has 16 writers, every fourth of whose settlements stalls until the follower has looked.
func TestFollowerSeesEachOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	config := postgres.Config{URL: url, Role: postgres.RoleProcessor, MaxConns: 18}
	db, err := postgres.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	const writers, each = 16, 12
	var want []string
	looked := make(chan struct{})
	var all sync.WaitGroup
	for w := range writers {
		var mine []*postgres.Settlement
		for n := range each {
			s := submission(t, sender, 1+w*each+n, recipient)
			mine, want = append(mine, s), append(want, s.Resources[1].ID.String())
		}
		all.Go(func() {
			for _, s := range mine {
				stall := func() {}
				if rand.N(4) == 0 {
					stall = func() { <-looked }
				}
				if err := db.SettleStalled(t.Context(), s, stall); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	var got []string
	var vid int64
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case looked <- struct{}{}:
		default:
		}
		var more []string
		more, vid = newer(t, db, vid, true)
		got = append(got, more...)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("followed (-settled +seen):\n%s", diff)
	}
}
