// Package pgtest gives tests real PostgreSQL databases: one private cluster per test process, one fresh database per
// test, so that tests run in parallel and none sees another's rows. A package that uses it says in its TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// It promises that a database is empty or freshly migrated, that it is dropped when its test ends, and that cluster
// and files are gone when Run returns. Tests that need a cluster of their own get a copy of one that was made once.
// It leaves installing PostgreSQL to "make deps". REFERRAL_PG_BINDIR is heeded.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// current is the cluster of this test process. It is a package variable because a testing.M hands nothing on to the
// tests it runs; Run sets it before the first of them starts and clears it after the last.
var current atomic.Pointer[cluster]

const template = "template_migrated"

// cluster is started by the first test that asks for a database: a run of tests without one costs nothing.
type cluster struct {
	dir       string
	server    func() (*localpg.Server, error) // starts it once
	started   atomic.Pointer[localpg.Server]  // nil until then
	migrated  func() error                    // makes the template once
	prepared  func() (string, error)          // makes once what Prepare copies, and gives its directory
	databases atomic.Int64                    // made so far, for their names
}

// Run runs the tests of m and returns the exit code for os.Exit.
func Run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := newCluster(dir)
	current.Store(c)
	defer c.remove()
	return m.Run()
}

func newCluster(dir string) *cluster {
	c := &cluster{dir: dir}
	// These clusters are thrown away, and no test cuts the machine's power, which is all that fsync guards against.
	// With it a database takes twice as long to make. Cluster keeps it on.
	hasty := map[string]string{"fsync": "off"}
	c.server = sync.OnceValues(func() (*localpg.Server, error) {
		s, err := start(context.Background(), filepath.Join(dir, "postgres"), hasty)
		if err == nil {
			c.started.Store(s)
		}
		return s, err
	})
	c.migrated = sync.OnceValue(func() error {
		s, err := c.server()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.CreateDatabase(ctx, template); err != nil {
			return err
		}
		_, err = postgres.Migrate(ctx, postgres.Config{URL: s.URL(template)})
		return err
	})
	c.prepared = sync.OnceValues(func() (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		prepared := filepath.Join(dir, "prepared")
		s, err := start(ctx, prepared, hasty)
		if err != nil {
			return "", err
		}
		defer s.Stop()
		if err := errors.Join(s.CreateDatabase(ctx, "referral"), s.CreateDatabase(ctx, "queue")); err != nil {
			return "", err
		}
		_, err = postgres.Migrate(ctx, postgres.Config{URL: s.URL("referral")})
		return prepared, err
	})
	return c
}

func (c *cluster) remove() {
	current.Store(nil)
	if s := c.started.Load(); s != nil {
		s.Stop()
	}
	if err := os.RemoveAll(c.dir); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
	}
}

// New returns the URL of a fresh database with all migrations of package postgres applied.
func New(t testing.TB) string {
	t.Helper()
	c := running(t)
	if err := c.migrated(); err != nil {
		t.Fatalf("pgtest: migrate the template: %v", err)
	}
	return c.database(t, template)
}

// Empty returns the URL of a fresh database with nothing in it.
func Empty(t testing.TB) string {
	t.Helper()
	return running(t).database(t, "template0")
}

// Prepare makes dir what localpg.Config.Dir is after a stop: a cluster with a migrated database "referral" and an empty
// one "queue". It is what infra/server makes of an empty directory, without the seconds that initdb and migrating take.
func Prepare(t testing.TB, dir string) {
	t.Helper()
	from, err := running(t).prepared()
	if err != nil {
		t.Fatalf("pgtest: prepare a cluster: %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// With owner and modes, which PostgreSQL insists on; without the port, which each copy chooses for itself.
	out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(from, "data"), filepath.Join(from, "password"), dir).CombinedOutput()
	if err != nil {
		t.Fatalf("pgtest: copy the prepared cluster: %v\n%s", err, out)
	}
}

// Cluster starts a cluster that belongs to t alone, durable as in production, for tests that kill it, with what Prepare
// says in it. It is stopped and removed when t ends.
func Cluster(t testing.TB) *localpg.Server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "postgres")
	Prepare(t, dir)
	s, err := start(t.Context(), dir, nil)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

func running(t testing.TB) *cluster {
	t.Helper()
	c := current.Load()
	if c == nil {
		t.Fatal("pgtest: this package's tests were not run by pgtest.Run; add\n\n" +
			"\tfunc TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }\n")
	}
	return c
}

// database clones source for t. Copying files is the faster strategy where nothing is synced to disk: to make
// and drop a database took 0.10 s against 0.19 s with the default, wal_log (BenchmarkNew, PostgreSQL 15, 2 cores).
func (c *cluster) database(t testing.TB, source string) string {
	t.Helper()
	s, err := c.server()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := "test_" + strconv.FormatInt(c.databases.Add(1), 10)
	if err := execute(s, "create database "+name+" template "+source+" strategy file_copy"); err != nil {
		t.Fatalf("pgtest: create database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute(s, "drop database "+name+" with (force)"); err != nil { // force: the test may have leaked a connection
			t.Errorf("pgtest: drop database: %v", err)
		}
	})
	return s.URL(name)
}

// execute does not use the test's context, which has ended when its database is dropped.
func execute(s *localpg.Server, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func start(ctx context.Context, dir string, settings map[string]string) (*localpg.Server, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	return localpg.Start(ctx, localpg.Config{
		Dir:      dir,
		Settings: settings,
		BinDir:   os.Getenv("REFERRAL_PG_BINDIR"),
		NodeModules: []string{
			filepath.Join(root, ".data", "npm", "node_modules"), // where deps.sh puts them
			localpg.SharedNodeModules,
		},
	})
}

// moduleRoot finds the checkout: "go test" runs a package's tests in the package's directory.
func moduleRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in or above %s", wd)
		}
	}
}
