package tenancy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestRoles runs the statements of the table as the roles of the application on the database itself, where nothing but
// row-level security and grants stands between: no query's rule, no signature, no handler.
func TestRoles(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	newWorld(t, newStack(t, options{url: url}))
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows := table(t, "AS")
	for _, r := range rows {
		var got []string
		for _, role := range r.columns {
			got = append(got, asRole(t, conn, role, r.asked))
		}
		if !slices.Equal(got, r.cells) {
			t.Errorf("line %d: %s\n\t%v\n got %v\nwant %v", r.line, r.asked, r.columns, got, r.cells)
		}
	}
	missing, err := tables(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{`select .* from`, `insert into`, `update`, `delete from`} {
		for _, name := range missing {
			statement := regexp.MustCompile(`: ` + verb + ` ` + name + `\b`)
			if !slices.ContainsFunc(rows, func(r row) bool { return statement.MatchString(r.asked) }) {
				t.Errorf("testdata/matrix.txt has no row with %s %s", verb, name)
			}
		}
	}
}

// tables are all that migrations have made, but for the list of migrations.
func tables(t *testing.T, conn *pgx.Conn) ([]string, error) {
	t.Helper()
	found, err := conn.Query(t.Context(), `
		select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
		and c.relname not like 'goose%'`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[string])
}

var (
	asPattern     = regexp.MustCompile(`^AS (nobody|[ABC]): (.+)$`)
	organisations = map[string]string{"A": orgA, "B": orgB, "C": orgC, "nobody": ""}
)

// asRole runs a statement and takes it back; it returns the organisations that its rows name, "none" where there are no
// rows, or "denied".
func asRole(t *testing.T, conn *pgx.Conn, role, asked string) string {
	t.Helper()
	m := asPattern.FindStringSubmatch(asked)
	if m == nil {
		t.Fatalf("%s is not AS organisation: statement", asked)
	}
	statement := m[2]
	for name, org := range organisations {
		statement = strings.ReplaceAll(statement, "{"+name+"}", org)
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), fmt.Sprintf(`set local role %s; set local app.org = '%s'`, roles[role], organisations[m[1]])); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	orgs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" { // insufficient_privilege
		return "denied"
	}
	if err != nil {
		t.Fatalf("%s: %v", asked, err)
	}
	var cell string
	for _, name := range []string{"A", "B", "C"} {
		if slices.Contains(orgs, organisations[name]) {
			cell += name
		}
	}
	if len(orgs) == 0 {
		return "none"
	}
	if cell == "" {
		return "rows"
	}
	return cell
}

// roles are the columns of the statements.
var roles = map[string]string{"processor": postgres.RoleProcessor, "query": postgres.RoleQuery}
