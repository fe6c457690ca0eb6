package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestFailuresAreCounted of each submission alone, and anew once it is quarantined.
func TestFailuresAreCounted(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s, other := submission(t, sender, 1), submission(t, recipient, 1)
	other.Digest = s.Digest
	failed := func(s *postgres.Settlement, want int) {
		t.Helper()
		got, err := db.Failed(t.Context(), postgres.Failure{Org: s.Org, Digest: s.Digest, Class: "bug", Code: "panic"})
		if err != nil || got != want {
			t.Errorf("got %d tries, error %v, want %d", got, err, want)
		}
	}
	failed(s, 1)
	failed(s, 2)
	failed(other, 1)
	s.State, s.Resources = referral.Quarantined, nil
	if quarantined, err := db.Quarantine(t.Context(), s); err != nil || !quarantined {
		t.Fatalf("got %v, error %v, want it quarantined", quarantined, err)
	}
	failed(s, 1)
	want := []string{sender + " 1 bug panic", recipient + " 1 bug panic"}
	if diff := cmp.Diff(want, column(t, url, `select concat_ws(' ', org, tries, class, code) from failure order by org`)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

// TestQuarantinedMaySettleYet with the body that was missing then, and what has settled is never quarantined.
func TestQuarantinedMaySettleYet(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), postgres.RoleProcessor)
	whole := submission(t, sender, 1)
	quarantined := *whole
	quarantined.State, quarantined.Resources, quarantined.Content = referral.Quarantined, nil, []byte{}
	for range 2 { // delivered again before the message is gone
		if ok, err := db.Quarantine(t.Context(), &quarantined); err != nil || !ok {
			t.Fatalf("got %v, error %v, want it quarantined", ok, err)
		}
	}
	store(t, db, whole)
	for name, write := range map[string]func() (bool, error){
		"quarantine": func() (bool, error) { return db.Quarantine(t.Context(), &quarantined) },
		"discard":    func() (bool, error) { return db.Discard(t.Context(), &quarantined, postgres.Operation{Action: "D"}) },
	} {
		if wrote, err := write(); err != nil || wrote {
			t.Errorf("%s: got %v, error %v, want nothing of what has settled", name, wrote, err)
		}
	}
	got, found, err := db.Original(t.Context(), sender, whole.Digest)
	if err != nil || !found || got.State != referral.Completed || string(got.Content) != string(whole.Content) {
		t.Errorf("got %s with %d bytes, error %v, want it completed with its body", got.State, len(got.Content), err)
	}
}

// TestOperatorsLeaveTheirReason with what they discard, and with what concerns nobody alone.
func TestOperatorsLeaveTheirReason(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1)
	s.State, s.Resources = referral.Quarantined, nil
	store(t, db, s)
	s.State, s.Content = referral.Rejected, []byte{}
	if discarded, err := db.Discard(t.Context(), s, postgres.Operation{Operator: "jane", Action: "D", Entity: "submission/x", Reason: "INC-1"}); err != nil || !discarded {
		t.Fatalf("got %v, error %v, want it discarded", discarded, err)
	}
	if err := db.Operated(t.Context(), postgres.Operation{Operator: "jane", Action: "E", Entity: "queue/dead", Reason: "INC-2"}); err != nil {
		t.Fatal(err)
	}
	want := []string{sender + " jane D submission/x INC-1", "operator jane E queue/dead INC-2"}
	got := column(t, url, `select concat_ws(' ', org, client, action, entity, reason) from audit where reason is not null order by id`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if o, _, err := db.Original(t.Context(), sender, s.Digest); err != nil || o.State != referral.Rejected || len(o.Content) == 0 {
		t.Errorf("got %s with %d bytes, error %v, want it rejected and its body kept", o.State, len(o.Content), err)
	}
}
