package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const superuser = "postgres"

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// lock opens Dir and takes its lock, waiting for an earlier server to go. Every process of the cluster inherits the
// open file and with it the lock, so that the lock is free only when the last of them is gone: also when the
// postmaster was killed and its children are still leaving.
func (s *Server) lock(ctx context.Context) (*os.File, error) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errInUse)
	defer cancel()
	for {
		err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			dir.Close()
			return nil, fmt.Errorf("lock %s: %w", s.dir, err)
		}
		if !pause(ctx, 20*time.Millisecond) {
			dir.Close()
			return nil, fmt.Errorf("%s (postmaster %s): %w", s.dir, s.recordedPID(), context.Cause(ctx))
		}
	}
}

const lockWait = 30 * time.Second

var errInUse = errors.New("the directory is in use by another running server: stop that one, or choose another directory")

// recordedPID is the process id that the running postmaster wrote into its data directory, for people to act on.
func (s *Server) recordedPID() string {
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return "unknown"
	}
	pid, _, _ := strings.Cut(string(b), "\n")
	return pid
}

// create makes the cluster when there is none. It is made aside and renamed, so that a process killed halfway leaves
// nothing that looks like a cluster.
func (s *Server) create(dir *os.File) error {
	passwordFile := filepath.Join(s.dir, "password")
	if _, err := os.Stat(s.data()); err == nil {
		b, err := os.ReadFile(passwordFile)
		s.password = strings.TrimSpace(string(b))
		return err
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	s.password = rand.Text()
	if err := os.WriteFile(passwordFile, []byte(s.password+"\n"), 0o600); err != nil {
		return err
	}
	unfinished := s.data() + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if err := errors.Join(s.own(unfinished), s.own(passwordFile)); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + s.childPath("data.new"), "--username=" + superuser, "--pwfile=" + s.childPath("password"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=" + locale(),
	}
	if s.settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	if out, err := s.command(dir, "initdb", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", s.explain(err), out)
	}
	return os.Rename(unfinished, s.data())
}

// settlePort makes sure that the port is free or, when it may choose, finds one that is. It prefers the port of the
// last run, so that URLs handed out earlier stay good.
func (s *Server) settlePort(choose bool) error {
	if !choose {
		_, err := freePort(s.port)
		return err
	}
	file := filepath.Join(s.dir, "port")
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	remembered, _ := strconv.Atoi(strings.TrimSpace(string(b))) // absent or damaged: any port will do
	if s.port, err = freePort(remembered); err != nil {
		if s.port, err = freePort(0); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(strconv.Itoa(s.port)+"\n"), 0o644)
}

// freePort returns port when nothing listens there on 127.0.0.1, and for 0 any such port.
func freePort(port int) (int, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// configure writes postgresql.conf anew, so that it says what this run was asked for and nothing else.
func (s *Server) configure(dir *os.File) error {
	conf := map[string]string{ //nolint:gosec // scram-sha-256 is a method, not a password
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"port":                    strconv.Itoa(s.port),
		"max_connections":         "100",
		"password_encryption":     "scram-sha-256",

		"shared_buffers": "256MB",
		"max_wal_size":   "8GB", // a benchmark should not spend its time in checkpoints
		"jit":            "off", // compiling costs more than these short queries take

		// An error message may quote patient data: the message alone, never DETAIL, the statement or its parameters.
		"log_error_verbosity":               "terse",
		"log_min_error_statement":           "panic",
		"log_parameter_max_length_on_error": "0",
		"log_min_messages":                  "warning",

		"lc_messages":  "C",
		"timezone":     "UTC",
		"log_timezone": "UTC",
	}
	maps.Copy(conf, s.settings)
	if _, ok := conf["wal_compression"]; !ok {
		conf["wal_compression"] = s.walCompression(dir)
	}
	var b strings.Builder
	b.WriteString("# Written by localpg at each start: changes made here are lost.\n")
	for _, name := range slices.Sorted(maps.Keys(conf)) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(conf[name], "'", "''"))
	}
	return os.WriteFile(filepath.Join(s.data(), "postgresql.conf"), []byte(b.String()), 0o600)
}

// walCompression prefers lz4, which Debian's builds know and npm's do not; "on" is pglz, which all know.
func (s *Server) walCompression(dir *os.File) string {
	probe := s.command(dir, "postgres", "-D", s.childPath("data"), "-c", "config_file=/dev/null",
		"-c", "wal_compression=lz4", "-C", "wal_compression")
	if probe.Run() != nil {
		return "on"
	}
	return "lz4"
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
