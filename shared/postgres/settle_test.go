package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Hashes may be equal by chance: that must not fail a settlement, which would fail for ever.
func TestSettleTakesEqualKeys(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	first := &s.Resources[0]
	first.Keys = append(append(first.Keys, first.Keys...), search.ListHash(sender), search.ListHash(recipient))
	store(t, db, s)
	for _, org := range []string{sender, recipient} {
		found, more, err := db.Search(t.Context(), org, postgres.Search{Type: "Patient", Count: 20, Bytes: 1 << 20})
		if err != nil || more {
			t.Fatalf("organisation %s: more %v, %v", org, more, err)
		}
		if diff := cmp.Diff([]string{first.ID.String()}, versionIDs(found)); diff != "" {
			t.Errorf("organisation %s (-want +got):\n%s", org, diff)
		}
	}
}

// A list row leads to a block of resources, some of which may be addressed to others.
func TestListHasEachOnceAndOnlyOnesOwn(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	s.Resources = append(s.Resources, submission(t, sender, 2, unrelated).Resources...)
	s.Readers = []string{recipient, unrelated}
	store(t, db, s)
	settleFrom(t, db, unrelated, 3)
	for org, want := range map[string][]string{
		sender:    {s.Resources[3].ID.String(), s.Resources[0].ID.String()},
		recipient: {s.Resources[0].ID.String()},
		unrelated: {resourceID(unrelated, 3, 0).String(), s.Resources[3].ID.String()},
	} {
		found, _, err := db.Search(t.Context(), org, postgres.Search{Type: "Patient", Count: 20, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, versionIDs(found)); diff != "" {
			t.Errorf("organisation %s (-want +got):\n%s", org, diff)
		}
	}
}
