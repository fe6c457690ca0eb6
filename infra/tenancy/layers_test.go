package tenancy

import (
	"net/url"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// The tenant rule in the queries: whose a row is ($1) and who else reads it; and what a settlement may write of the rows
// that it asks for. What a caller is shown of a row that it may see is not part of it, since row-level security has no
// columns. What is open to who fills it is the group that it asks for, or the Task that it names.
var (
	readRule  = regexp.MustCompile(`\b(and|where|on) (?:[a-z]\.(?:org|sender) = \$1\b|\([a-z]\.org = \$1 or [a-z]\.readers @> array\[\$1\]\))`)
	openRule  = regexp.MustCompile(`r\.type = 'Task' and r\.owner is null and \('\{' \|\| r\.content \|\| '\}'\)::json -> 'owner' is null`)
	fillRule  = regexp.MustCompile(`\btrue and exists \(select from idx g where g\.h = (\$\d+) and g\.vid = r\.vid\) and r\.id <> all\((\$\d+)::uuid\[\]\) or \(r\.org = \$1 or r\.readers @> array\[\$1\]\)`)
	writeRule = regexp.MustCompile(`\(r\.org = \$1 and (r\.id in \(select p\.id from p\)) or \(r\.org = \$1 or r\.owner = \$1\) and (r\.id = any\(\$9::uuid\[\]\))\)`)
)

// withoutTenantRule returns a statement with conditions that always hold in its place; $1 keeps its type.
func withoutTenantRule(sql string) string {
	sql = fillRule.ReplaceAllString(openRule.ReplaceAllString(sql, "true"), "$$1::text is not null and $1::int8 is not null and $2::uuid[] is not null")
	return readRule.ReplaceAllString(writeRule.ReplaceAllString(sql, "($1 or $2)"), "$1 ($$1::text is not null)")
}

// proxied returns url by way of a proxy that rewrites every statement.
func proxied(t testing.TB, store string, with func(sql string) string) string {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pgproxy.Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.Rewrite(with)
	u.Host = p.Address()
	return u.String()
}

// bypassing is behind the names of the application's roles in those of two that row-level security does not bind.
const bypassing = "_bypassing"

// bypass returns the suffix of roles that row-level security does not bind, and that may all that the application's may.
func bypass(t testing.TB, store string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, role := range []string{postgres.RoleProcessor, postgres.RoleQuery} {
		if _, err := conn.Exec(t.Context(), `do $$ begin
			create role `+role+bypassing+` bypassrls in role `+role+`;
		exception when duplicate_object or unique_violation then null; end $$`); err != nil {
			t.Fatal(err)
		}
	}
	return bypassing
}

// layers are the ways in which the tenant rule can stand.
var layers = []struct {
	name          string
	filter, rules bool // in the queries; of row-level security
}{
	{"whole", true, true},
	{"without the queries' rule", false, true},
	{"without row-level security", true, false},
	{"without both", false, false},
}

// store returns how a stack reaches a fresh store with the layers given.
func store(t testing.TB, filter, rules bool) options {
	t.Helper()
	o := options{url: pgtest.New(t)}
	if !rules {
		o.suffix = bypass(t, o.url)
	}
	if !filter {
		o.url = proxied(t, o.url, withoutTenantRule)
	}
	return o
}
