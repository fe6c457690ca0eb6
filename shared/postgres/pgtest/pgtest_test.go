package pgtest

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

func TestNewIsMigratedAndOnesOwn(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := New(t)
			if got := value(t, db, "select (count(*) > 0)::text from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"); got != "true" {
				t.Error("got no table, want those of the migrations")
			}
			// Fails for the second of two tests that share a database.
			value(t, db, "create table mine as select 1; select 'made'")
		})
	}
}

func TestEmptyHasNoTables(t *testing.T) {
	t.Parallel()
	if got := value(t, Empty(t), "select count(*)::text from pg_tables where schemaname = 'public'"); got != "0" {
		t.Errorf("got %s tables, want none", got)
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var db string
	t.Run("test", func(t *testing.T) {
		db = Empty(t)
		connect(t, db) // still open at the end of the test
	})
	if conn, err := pgx.Connect(t.Context(), db); err == nil {
		conn.Close(t.Context())
		t.Error("the database is still there")
	}
}

func TestClusterIsDurableAndOnesOwn(t *testing.T) {
	t.Parallel()
	s := Cluster(t)
	if got := value(t, s.URL("postgres"), "select current_setting('fsync')"); got != "on" {
		t.Errorf("fsync: got %q, want on", got)
	}
	shared, err := current.Load().server()
	if err != nil {
		t.Fatal(err)
	}
	if s.PID() == shared.PID() {
		t.Error("got the shared cluster")
	}
	for _, s := range []*localpg.Server{s, Cluster(t)} {
		// Fails for the second of two that share their files.
		if got := value(t, s.URL("referral"), "create table mine as select 1; select count(*)::text from submission"); got != "0" {
			t.Errorf("got %s submissions, want none", got)
		}
		value(t, s.URL("queue"), "create table mine as select 1; select 'made'")
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	before := current.Load()
	defer current.Store(before)
	dir := t.TempDir()
	c := newCluster(dir)
	s, err := c.server()
	if err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	c.remove()
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("the server still runs")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory: got %v, want it gone", err)
	}
}

func TestWithoutRunTheTestIsTold(t *testing.T) {
	before := current.Swap(nil)
	defer current.Store(before)
	fake := &fatal{TB: t}
	func() {
		defer func() { recover() }()
		New(fake)
	}()
	if !strings.Contains(fake.said, "pgtest.Run(m)") {
		t.Errorf("got %q, want the line to add to TestMain", fake.said)
	}
}

// fatal records what a test would be ended with.
type fatal struct {
	testing.TB
	said string
}

func (f *fatal) Fatal(args ...any) {
	f.said = args[0].(string)
	panic(f)
}

func BenchmarkNew(b *testing.B) {
	New(b) // the cluster and the template
	for b.Loop() {
		New(b)
	}
}

func connect(t testing.TB, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// value runs statements and returns the first column of the last one's first row.
func value(t testing.TB, db, sql string) string {
	t.Helper()
	conn := connect(t, db)
	defer conn.Close(context.Background())
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := results[len(results)-1].Rows
	if len(rows) == 0 {
		t.Fatalf("%s: no row", sql)
	}
	return string(rows[0][0])
}
