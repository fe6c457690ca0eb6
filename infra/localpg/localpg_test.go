package localpg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
)

// parentVariable turns the test binary into a program that runs a cluster until it is killed.
const parentVariable = "LOCALPG_TEST_PARENT_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentVariable); dir != "" {
		if err := parent(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// parent starts a cluster, leaves a committed row in it, says so and waits for its end.
func parent(dir string) error {
	ctx := context.Background()
	s, err := localpg.Start(ctx, localpg.Config{Dir: dir, BinDir: os.Getenv("REFERRAL_PG_BINDIR")})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "create table kept as select 'before' as word"); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

func TestStartMakesAClusterAndKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, localpg.Config{Dir: dir})
	execute(t, first, "create table kept as select 'before' as word")
	url := first.URL("postgres")
	first.Stop()

	second := start(t, localpg.Config{Dir: dir})
	if got := query(t, second, "select word from kept"); got != "before" {
		t.Errorf("after a restart: got %q, want the row written before it", got)
	}
	if got := second.URL("postgres"); got != url {
		t.Errorf("URL after a restart: got %q, want the same as before, %q", got, url)
	}
}

func TestRunningServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, localpg.Config{Dir: dir, Settings: map[string]string{"max_connections": "23", "cluster_name": "it's"}})

	t.Run("settings", func(t *testing.T) {
		got := map[string]string{}
		want := map[string]string{
			"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", // what a commit's promise rests on
			"listen_addresses": "127.0.0.1", "unix_socket_directories": "", // nobody outside this machine
			"log_error_verbosity": "terse", "log_min_error_statement": "panic", "log_parameter_max_length_on_error": "0",
			"max_connections": "23", "cluster_name": "it's", // as asked for
			"TimeZone": "UTC", "jit": "off", "server_encoding": "UTF8",
		}
		for name := range want {
			got[name] = query(t, s, "select current_setting($1)", name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("settings (-want +got):\n%s", diff)
		}
		if got := query(t, s, "select current_setting('wal_compression')"); got != "lz4" && got != "pglz" {
			t.Errorf("wal_compression: got %q, want lz4 or pglz", got)
		}
	})

	t.Run("a wrong password is refused", func(t *testing.T) {
		u, err := url.Parse(s.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("postgres", "wrong")
		if conn, err := pgx.Connect(t.Context(), u.String()); err == nil {
			conn.Close(t.Context())
			t.Error("it was let in")
		}
	})

	t.Run("making a database twice", func(t *testing.T) {
		const name = `odd "name"`
		for range 2 {
			if err := s.CreateDatabase(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := pgx.Connect(t.Context(), s.URL(name))
		if err != nil {
			t.Fatalf("the database's URL: %v", err)
		}
		conn.Close(t.Context())
	})

	t.Run("a second server waits no longer than its context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		second, err := localpg.Start(ctx, localpg.Config{Dir: dir, BinDir: os.Getenv("REFERRAL_PG_BINDIR")})
		if err == nil {
			second.Stop()
			t.Fatal("two servers run in one directory")
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}

func TestKilledServerIsStartedAgainWithCommittedRows(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, localpg.Config{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	execute(t, s, "create table kept as select 'before' as word")
	for range 2 {
		killed := s.PID()
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server to be started again", func() bool { pid := s.PID(); return pid != 0 && pid != killed })
		if got := query(t, s, "select word from kept"); got != "before" {
			t.Errorf("after kill -9: got %q, want the committed row", got)
		}
	}
	if got := strings.Count(log.String(), "ended on its own"); got != 2 {
		t.Errorf("deaths logged: got %d, want 2:\n%s", got, log.String())
	}
}

func TestStopLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, localpg.Config{Dir: dir})
	conn, err := pgx.Connect(t.Context(), s.URL("postgres")) // an open session does not hold it up
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(s.Stop)
	}
	wg.Wait()
	if inUse(t, dir) {
		t.Error("a process of the cluster is still there")
	}
	if got := s.PID(); got != 0 {
		t.Errorf("PID: got %d, want 0", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("postmaster.pid: got %v, want an orderly shutdown to have removed it", err)
	}
}

// A checkout may lie where only its owner can pass, such as /root. Data belongs there all the same.
func TestStartBelowAPrivateDirectory(t *testing.T) {
	t.Parallel()
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(private, ".data", "postgres")
	s := start(t, localpg.Config{Dir: dir})
	if got := query(t, s, "select count(*)::text from pg_class, generate_series(1, 1000)"); got == "" {
		t.Error("got nothing")
	}
	info, err := os.Stat(private)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the user's directory: got mode %o, want it left alone at 700", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION")); err != nil {
		t.Error(err)
	}
}

func TestStartAfterAnInitdbThatWasCutShort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := query(t, start(t, localpg.Config{Dir: dir}), "select 'works'"); got != "works" {
		t.Errorf("got %q", got)
	}
}

func TestStartChoosesAnotherPortWhenTheRememberedOneIsTaken(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "port"), []byte(taken), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, localpg.Config{Dir: dir})
	if strings.Contains(s.URL("postgres"), ":"+taken+"/") {
		t.Errorf("got the port that is taken, %s", taken)
	}
}

func TestStartFailures(t *testing.T) {
	t.Parallel()
	var taken int
	if _, err := fmt.Sscan(listen(t), &taken); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		config localpg.Config
		want   string
	}{
		{"no directory", localpg.Config{}, "Dir is empty"},
		{"binaries missing", localpg.Config{Dir: t.TempDir(), BinDir: t.TempDir()}, "make deps"},
		{"port taken", localpg.Config{Dir: t.TempDir(), Port: taken}, "address already in use"},
		{"setting unknown", localpg.Config{Dir: t.TempDir(), Settings: map[string]string{"no_such": "1"}}, "no_such"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.config.BinDir == "" {
				test.config.BinDir = os.Getenv("REFERRAL_PG_BINDIR")
			}
			s, err := localpg.Start(t.Context(), test.config)
			if err == nil {
				s.Stop()
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to name %q", err, test.want)
			}
		})
	}
}

func start(t testing.TB, c localpg.Config) *localpg.Server {
	t.Helper()
	c.BinDir = os.Getenv("REFERRAL_PG_BINDIR")
	s, err := localpg.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func execute(t testing.TB, s *localpg.Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query(t testing.TB, s *localpg.Server, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// inUse reports whether any process of dir's cluster lives: each holds the lock that the launcher took.
func inUse(t testing.TB, dir string) bool {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s in vain for %s", what)
		}
	}
}

// listen occupies a port of 127.0.0.1 and returns its number.
func listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
