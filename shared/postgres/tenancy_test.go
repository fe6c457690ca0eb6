package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestCancelledIsTheSendersAlone: what was quarantined and is cancelled holds no key and is in no reader's list.
func TestCancelledIsTheSendersAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	query, processor := open(t, url, postgres.RoleQuery), open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	s.State, s.Resources = referral.Quarantined, nil
	store(t, processor, s)
	if got := cancel(t, query, s); got != referral.Cancelled {
		t.Errorf("got %s, want cancelled", got)
	}
	if diff := cmp.Diff([]string{sender}, column(t, url, `select org from listing`)); diff != "" {
		t.Errorf("it is in the list of (-want +got):\n%s", diff)
	}
	corrected := submission(t, sender, 2)
	corrected.Key = s.Key
	store(t, processor, corrected)
}
