package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Rows of others are seen by neither, with the tenant rule and without it, by row-level security alone.
func TestWritesAndEverythingAreTheTenants(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db, both := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	s := settleFrom(t, db, sender, 1)
	patient := s.Resources[0].ID
	last := strings.Repeat("ff", 16)
	for org, want := range map[string]int{sender: 1, unrelated: 0, "": 0} {
		for name, statement := range map[string]struct {
			query string
			args  []any
		}{
			"writes": {postgres.WritesSQL, []any{org, "Patient", time.UnixMilli(0), time.Now().Add(time.Hour), []byte(last)[:16], 1000, 0, 20, 1 << 20}},
			"everything": {postgres.EverythingSQL, []any{org, [16]byte(patient), []int64{}, []int64{}, []string{"Patient"}, time.UnixMilli(0),
				(*[16]byte)(nil), 20, 1 << 20}},
		} {
			for rule, query := range map[string]string{"both": statement.query, "policy alone": postgres.WithoutTenantRule(statement.query)} {
				if seen, err := both.As(t.Context(), org, query, statement.args); err != nil || seen != want {
					t.Errorf("%s, %s, organisation %q: saw %d rows, %v, want %d", name, rule, org, seen, err, want)
				}
			}
		}
	}
}

// A page looks into so many submissions and no further, and says where to go on.
func TestWritesLooksIntoSoManySubmissions(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	execute(t, url, `
		insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256, resources)
		select $1, decode(md5(n::text), 'hex'), now(), 'random', sha256(n::text::bytea), 'c', 'r', 'completed', now() - n * interval '1 s', 1,
			'transaction', '', 'zstd', sha256(''), array['Patient/' || lpad(n::text, 8, '0') || '-0000-7000-8000-000000000000/_history/1']
		from generate_series(1, 2500) n`, sender)
	execute(t, url, `
		insert into resource (id, type, org, version, last_updated, vid, meta, content)
		select (lpad(n::text, 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'Patient', $1, 1, now(), n, '', '"active":true'
		from generate_series(1, 2500) n where n = 1 or n > 2498`, sender)
	db := open(t, url, postgres.RoleQuery)
	var pages []int
	w := postgres.Writes{Type: "Patient", Count: 2000, Bytes: 1 << 20}
	for {
		found, next, err := db.Writes(t.Context(), sender, w)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, len(found.Found))
		if next == nil {
			break
		}
		w.After = *next
	}
	if got := fmt.Sprint(pages); got != "[1 0 2]" {
		t.Errorf("got pages of %s versions, want [1 0 2]", got)
	}
}

// Plans are those of the application's role, as of TestPlansReadNoTableWhole.
func TestPlansOfWritesAndEverything(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	fill(t, url)
	conn := connect(t, url)
	id := referral.UUID{1}.String()
	for _, setting := range []string{"set role referral_query", "select set_config('app.org', '" + sender + "', false)"} {
		if _, err := conn.Exec(t.Context(), setting); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for name, statement := range map[string]struct{ query, args string }{
			"writes":     {postgres.WritesSQL, `'` + sender + `', 'Patient', '2026-01-01', '9999-01-01', '\xff', 1000, 0, 20, 100000`},
			"everything": {postgres.EverythingSQL, `'` + sender + `', '` + id + `', '{1,2}', '{1,2}', '{}', '2026-01-01', null, 20, 100000`},
		} {
			for _, command := range []string{"set plan_cache_mode = " + mode, "deallocate all", "prepare statement as " + statement.query} {
				if _, err := conn.Exec(t.Context(), command, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := conn.Query(t.Context(), "explain execute statement ("+statement.args+")", pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan") {
				t.Errorf("%s, %s:\n%s", name, mode, text)
			}
		}
	}
}
