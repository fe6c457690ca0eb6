package main

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

func TestSealAndVerify(t *testing.T) {
	settings(t)
	referralctl(t, "", "audit", "seal").want(t, exitUsage, "", "DATABASE_URL")
	url := pgtest.New(t)
	t.Setenv("DATABASE_URL", url)
	t.Setenv("REFERRAL_KD", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
	t.Setenv("REFERRAL_KM", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=")
	referralctl(t, "", "audit", "seal").want(t, 0, "There is nothing to seal yet.", "")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into audit (recorded, org, client, action, outcome, entity) select now() - interval '1 hour', 'operator', 'c', 'E', '0', 'x' from generate_series(1, 3)`)
	referralctl(t, "", "audit", "seal").want(t, 0, "Made 1 seals. The newest is 1, up to row 3, ", "")
	referralctl(t, "", "--json", "audit", "seal").want(t, 0, `{"made":0,"newest":{"number":1,"first":1,"last":3,"rows":3,`, "")
	exec(`insert into audit (org, client, action, outcome, entity) values ('operator', 'c', 'E', '0', 'x')`)
	referralctl(t, "", "audit", "verify", "--expect", "1").want(t, 0, "All 1 seals hold, up to row 3; 1 rows are not sealed yet.\n", "")
	referralctl(t, "", "audit", "verify", "--expect", "2").want(t, exitFailed, "", "seal 2 is gone")
	exec(`set session_replication_role = replica`)
	exec(`update audit set client = 'd' where id = 2`)
	referralctl(t, "", "audit", "verify").want(t, exitFailed, "", "the audit is not as it was sealed: seal 1, of rows 1 to 3: a row is another one")
	referralctl(t, "", "--json", "audit", "verify").want(t, exitFailed, `"holds":false`, "")
}
