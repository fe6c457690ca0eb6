package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// column runs a query of one column as the superuser.
func column(t testing.TB, url, query string, args ...any) []string {
	t.Helper()
	rows, err := connect(t, url).Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// tables are those that have rows of organisations. The index is reached through resource alone, and has
// hashes only; seals have digests.
const tables = `(select c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relowner from pg_class c
	where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname not in ('goose_db_version', 'idx', 'audit_seal'))`

const roles = `(select r.oid, r.rolname, r.rolsuper, r.rolbypassrls from pg_roles r where r.rolname in ('referral_processor', 'referral_query'))`

// TestCatalogueKeepsTenantsApart: each query finds what would let one organisation see, touch or probe another's rows.
func TestCatalogueKeepsTenantsApart(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	for _, want := range []string{"audit", "history", "listing", "resource", "submission"} {
		if got := column(t, url, `select t.relname from `+tables+` t`); !slices.Contains(got, want) {
			t.Errorf("got tables %v, want %s among them", got, want)
		}
	}
	for name, query := range map[string]string{
		"row-level security is not forced": `select t.relname from ` + tables + ` t where not (t.relrowsecurity and t.relforcerowsecurity)`,
		"org may be empty or null": `select t.relname from ` + tables + ` t where not exists (
			select from pg_attribute a join pg_constraint c on c.conrelid = t.oid and c.contype = 'c' and c.conkey = array[a.attnum]
			where a.attrelid = t.oid and a.attname = 'org' and a.attnotnull and pg_get_constraintdef(c.oid) = 'CHECK ((org <> ''''::text))')`,
		"a role may do what no policy is about": `select t.relname || ' ' || c.name || ' ' || r.rolname
			from ` + tables + ` t cross join ` + roles + ` r cross join (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) c(name, code)
			where (case c.name when 'DELETE' then has_table_privilege(r.oid, t.oid, c.name) else has_any_column_privilege(r.oid, t.oid, c.name) end)
				and not exists (select from pg_policy p where p.polrelid = t.oid and p.polcmd::text = c.code and r.oid = any (p.polroles))`,
		"a policy is not about the organisation": `select p.polname from pg_policy p
			where p.polroles not in (array['referral_reindex'::regrole::oid], array['referral_audit'::regrole::oid], array['referral_retention'::regrole::oid]) and coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '') || coalesce(pg_get_expr(p.polqual, p.polrelid), '') not like '%app.org%'`,
		"a role may truncate, or refer to what it may not read": `select t.relname || ' ' || r.rolname from ` + tables + ` t cross join ` + roles + ` r
			where has_table_privilege(r.oid, t.oid, 'TRUNCATE') or has_table_privilege(r.oid, t.oid, 'REFERENCES') or has_table_privilege(r.oid, t.oid, 'TRIGGER')`,
		"anybody may": `select c.relname from pg_class c cross join lateral aclexplode(c.relacl) a where c.relnamespace = 'public'::regnamespace and a.grantee = 0`,
		"a view is its owner's": `select c.relname from pg_class c where c.relkind in ('v', 'm') and c.relnamespace = 'public'::regnamespace
			and not coalesce(c.reloptions @> array['security_invoker=true'], false)`,
		"a function is its owner's, by any path": `select p.proname from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prosecdef
			and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')`,
		"a server may read every organisation's": `select r.rolname from ` + roles + ` r where pg_has_role(r.oid, 'referral_reindex', 'MEMBER') or pg_has_role(r.oid, 'referral_audit', 'MEMBER') or pg_has_role(r.oid, 'referral_retention', 'MEMBER')`,
		"a role is above row-level security":     `select r.rolname from ` + roles + ` r where r.rolsuper or r.rolbypassrls or exists (select from ` + tables + ` t where pg_has_role(r.oid, t.relowner, 'MEMBER'))`,
		// ids, vids and numbers are the server's own.
		"a unique key could be another organisation's": `select i.indexrelid::regclass::text from pg_index i
			join pg_class c on c.oid = i.indrelid and c.relnamespace = 'public'::regnamespace and c.relname <> 'goose_db_version'
			where i.indisunique and (select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = i.indkey[0]) <> 'org'
				and i.indexrelid::regclass::text not in ('resource_pkey', 'resource_vid_key', 'history_pkey', 'idx_pkey', 'audit_pkey', 'audit_seal_pkey')`,
	} {
		if got := column(t, url, query); len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestKeysAreOnesOwn: what one organisation sent says nothing to another that sends the same.
func TestKeysAreOnesOwn(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.New(t), postgres.RoleProcessor)
	first, second := submission(t, sender, 1), submission(t, recipient, 1)
	second.Digest, second.Key = first.Digest, first.Key
	store(t, db, first)
	store(t, db, second)
}

// TestPoliciesAlone holds what each role may do for an organisation against what the code does: each statement is one that
// it never runs.
func TestPoliciesAlone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	processor := open(t, url, postgres.RoleProcessor)
	s := submission(t, sender, 1, recipient)
	s.Resources[2].Owner = recipient
	store(t, processor, s)
	quarantined := submission(t, sender, 2)
	quarantined.State, quarantined.Resources = referral.Quarantined, nil
	store(t, processor, quarantined)
	if _, err := processor.Failed(t.Context(), postgres.Failure{Org: sender, Digest: quarantined.Digest, Class: "bug", Code: "panic"}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, url)
	const (
		denied  = "42501" // insufficient_privilege
		version = `insert into history (id, version, type, org, readers, last_updated, meta, content) select id, version, type, org, readers, last_updated, meta, content from resource`
		next    = `update resource set version = version + 1`
	)
	for _, test := range []struct {
		role, org, statement string
		state                string // SQLSTATE, or empty
		rows                 int
	}{
		{postgres.RoleProcessor, recipient, version + ` where owner = $1`, "", 1},
		{postgres.RoleProcessor, recipient, version + ` where owner is null`, denied, 0},
		{postgres.RoleProcessor, recipient, `insert into history (id, version, type, org, readers, last_updated, meta, content) select id, version, type, org, readers, last_updated, meta, 'x' from resource where owner = $1`, denied, 0},
		{postgres.RoleProcessor, recipient, `insert into history (id, version, type, org, readers, last_updated, meta, content) select id, version + 1, type, org, readers, last_updated, meta, content from resource where owner = $1`, denied, 0},
		{postgres.RoleProcessor, recipient, next, "", 1},
		{postgres.RoleProcessor, recipient, next + `, org = $1`, denied, 0},
		{postgres.RoleProcessor, recipient, next + `, type = 'Patient'`, denied, 0},
		{postgres.RoleProcessor, recipient, next + `, readers = array[$1]`, "", 1},
		{postgres.RoleProcessor, recipient, next + `, readers = '{8003629900040359}'`, denied, 0},
		{postgres.RoleProcessor, recipient, next + `, owner = null`, denied, 0},
		{postgres.RoleProcessor, recipient, next + ` - 1`, denied, 0},
		{postgres.RoleProcessor, recipient, `delete from resource`, "", 0},
		{postgres.RoleProcessor, sender, next, "", 3},
		{postgres.RoleProcessor, unrelated, next, "", 0},
		{postgres.RoleProcessor, sender, `update submission set state = 'completed'`, "", 1},
		{postgres.RoleProcessor, sender, `update submission set content = ''`, "", 1}, // of the quarantined one
		{postgres.RoleProcessor, sender, `update submission set sha256 = ''`, denied, 0},
		{postgres.RoleProcessor, recipient, `update failure set tries = 0`, "", 0},
		{postgres.RoleProcessor, sender, `update failure set tries = 0`, "", 1},
		{postgres.RoleProcessor, sender, `insert into failure (org, d, tries, class, code) values ('` + recipient + `', '\x00000000000000000000000000000000', 1, 'bug', '')`, denied, 0},
		{postgres.RoleQuery, sender, `select from failure`, denied, 0},
		{postgres.RoleProcessor, recipient, `update submission set state = 'completed'`, "", 0},
		{postgres.RoleQuery, sender, `update submission set state = 'cancelled'`, "", 1},
		{postgres.RoleQuery, sender, `update submission set state = 'completed'`, denied, 0},
		{postgres.RoleQuery, sender, `update submission set state = 'cancelled', readers = '{}'`, denied, 0},
		{postgres.RoleQuery, sender, `update submission set state = 'cancelled', content = ''`, denied, 0},
		{postgres.RoleQuery, sender, `insert into listing (org, settled_at, d, sender, state) values ('` + recipient + `', now(), '', $1, 'cancelled')`, denied, 0},
		{postgres.RoleQuery, sender, `insert into listing (org, settled_at, d, sender, state) values ($1, now(), '', $1, 'completed')`, denied, 0},
		{postgres.RoleQuery, sender, `insert into listing (org, settled_at, d, sender, state) values ($1, now(), '', $1, 'cancelled')`, "", 1},
		{postgres.RoleQuery, sender, next, denied, 0},
		{postgres.RoleQuery, sender, `set local row_security = off; select * from resource`, denied, 0},
	} {
		state, rows := attempt(t, conn, test.role, test.org, test.statement)
		if diff := cmp.Diff([]any{test.state, test.rows}, []any{state, rows}); diff != "" {
			t.Errorf("%s for %s: %s (-want +got):\n%s", test.role, test.org, test.statement, diff)
		}
	}
}

// attempt runs a statement, with org for $1, as the role and for org, and takes it back. It returns the SQLSTATE, or how many
// rows the statement was about.
func attempt(t testing.TB, conn *pgx.Conn, role, org, statement string) (state string, rows int) {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), "begin; set local role "+role+"; select set_config('app.org', '"+org+"', true); "+
		strings.ReplaceAll(statement, "$1", "'"+org+"'")).ReadAll()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		state = pg.Code
	} else if err != nil {
		t.Fatal(err)
	} else {
		rows = int(results[len(results)-1].CommandTag.RowsAffected())
	}
	if _, err := conn.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	return state, rows
}
