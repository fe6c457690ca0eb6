package postgres_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func newKeys(t testing.TB, km byte) *referral.Keys {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{km}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestSealsShowEveryChange: seals hold over what is as it was; each change to the audit or to a seal shows, by whomever,
// and is told with its place.
func TestSealsShowEveryChange(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db, keys := open(t, url, postgres.RoleAudit), newKeys(t, 2)
	add := func(from, to int, age string) {
		t.Helper()
		execute(t, url, `insert into audit (recorded, org, client, action, outcome, entity, patient, resources)
			select now() - $3::interval, $4, 'c', 'R', '0', 'Patient/' || n, gen_random_uuid(), array['Patient/1/_history/1']
			from generate_series($1::int, $2::int) n`, from, to, age, sender)
	}
	seal := func(wantMade int, wantLast int64) {
		t.Helper()
		if newest, made, err := db.SealAudit(t.Context(), keys); err != nil || made != wantMade || newest.Last != wantLast {
			t.Fatalf("got %d seals up to row %d, %v; want %d up to %d", made, newest.Last, err, wantMade, wantLast)
		}
	}
	seal(0, 0)
	add(1, 10, "1 hour")
	seal(1, 10)
	seal(0, 10)
	add(11, 20, "1 hour")
	add(21, 25, "1 minute")
	seal(1, 20)
	add(26, 30, "1 hour") // behind one that is too young
	seal(0, 20)
	execute(t, url, `insert into audit_seal (number, first_id, last_id, rows, digest, signature) select 3, 21, 21, 1, digest, signature from audit_seal where number = 2`)
	if _, _, err := db.CheckSeals(t.Context(), keys); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), "seal 3") {
		t.Errorf("a seal of nobody's: got %v", err)
	}
	const unlocked = `set session_replication_role = replica; `
	execute(t, url, unlocked+`delete from audit_seal where number = 3`)
	newest, unsealed, err := db.CheckSeals(t.Context(), keys)
	if err != nil || newest.Number != 2 || unsealed != 10 {
		t.Fatalf("got seal %d, %d rows behind it, %v; want 2, 10", newest.Number, unsealed, err)
	}
	if _, _, err := db.CheckSeals(t.Context(), newKeys(t, 3)); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("under another key: got %v", err)
	}
	for name, test := range map[string]struct{ damage, mend, want string }{
		"a row is changed": {`update audit set client = 'd' where id = 5`, `update audit set client = 'c' where id = 5`, "seal 1, of rows 1 to 10: a row is another one"},
		"its time is changed": {`update audit set recorded = recorded + interval '1 us' where id = 15`, `update audit set recorded = recorded - interval '1 us' where id = 15`,
			"seal 2, of rows 11 to 20: a row is another one"},
	} {
		execute(t, url, unlocked+test.damage)
		if _, _, err := db.CheckSeals(t.Context(), keys); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
		execute(t, url, unlocked+test.mend)
	}
	if _, _, err := db.CheckSeals(t.Context(), keys); err != nil {
		t.Fatalf("mended: %v", err)
	}
	execute(t, url, unlocked+`update audit_seal set rows = 11 where number = 1`)
	if _, _, err := db.CheckSeals(t.Context(), keys); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), "seal 1") {
		t.Errorf("a seal is changed: got %v", err)
	}
	execute(t, url, unlocked+`update audit_seal set rows = 10 where number = 1; delete from audit where id = 12`)
	if _, _, err := db.CheckSeals(t.Context(), keys); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), "there are 9 rows and were 10") {
		t.Errorf("a row is gone: got %v", err)
	}
	execute(t, url, unlocked+`delete from audit_seal where number = 1`)
	if _, _, err := db.CheckSeals(t.Context(), keys); !errors.Is(err, postgres.ErrSeal) || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("a seal is gone: got %v", err)
	}
}
