package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// supervise runs the server until ctx ends, and starts it again whenever it dies before that. The outcome of the
// first start goes to started; when that failed, supervise returns.
//
// The kernel ties a child's death signal to the thread that started the child, not to the process, and Go ends idle
// threads as it likes: therefore all starts happen here, on a thread that belongs to this goroutine. It is not
// unlocked, so the thread ends with it.
func (s *Server) supervise(ctx context.Context, started chan<- error) {
	defer close(s.done)
	runtime.LockOSThread()

	server, err := s.first(ctx)
	started <- err
	if err != nil {
		return
	}
	s.log.Info("PostgreSQL started", slog.String("dir", s.dir), slog.Int("port", s.port), slog.Int("pid", s.PID()))
	wait := shortestWait
	for {
		if server != nil {
			began := time.Now()
			select {
			case <-ctx.Done():
				server.stop()
				s.setPID(0)
				return
			case <-server.exited:
				s.setPID(0)
				s.log.Error("PostgreSQL ended on its own; starting it again", slog.String("ended", fmt.Sprint(server.err)))
			}
			if time.Since(began) > steady {
				wait = shortestWait
			}
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, longestWait)
		if server, err = s.again(ctx); err == nil {
			s.log.Info("PostgreSQL started again", slog.Int("pid", s.PID()))
		} else if ctx.Err() == nil {
			s.log.Error("PostgreSQL did not start again; trying on", slog.String("error", err.Error()))
		}
	}
}

const (
	shortestWait = 50 * time.Millisecond
	longestWait  = 5 * time.Second
	steady       = time.Minute // a server that ran this long starts the waits anew
)

// first makes the cluster if needed, settles its port and starts it.
func (s *Server) first(ctx context.Context) (*process, error) {
	dir, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := s.letIn(); err != nil {
		return nil, err
	}
	if err := s.create(dir); err != nil {
		return nil, err
	}
	chosen := s.port == 0
	for attempt := 1; ; attempt++ {
		if err := s.settlePort(chosen); err != nil {
			return nil, err
		}
		if err := s.configure(dir); err != nil {
			return nil, err
		}
		server, err := s.launch(ctx, dir)
		// Between choosing a port and PostgreSQL's using it, another program may take it.
		if err != nil && chosen && attempt < 3 && strings.Contains(err.Error(), "Address already in use") {
			continue
		}
		return server, err
	}
}

func (s *Server) again(ctx context.Context) (*process, error) {
	dir, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return s.launch(ctx, dir)
}

// process is one run of the postmaster.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it is gone; err is set by then
	err    error
}

const maxLog = 16 << 20 // bytes; a longer postgres.log is begun anew at the next start

// launch starts the postmaster and returns when it accepts connections. When it fails none is left running.
func (s *Server) launch(ctx context.Context, dir *os.File) (*process, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "postgres.log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if from > maxLog {
		if err := log.Truncate(0); err != nil {
			return nil, err
		}
		from = 0
	}
	cmd := s.command(dir, "postgres", "-D", s.childPath("data"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, s.explain(err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		p.err = cmd.Wait()
	}()
	if err := s.accepting(ctx, p); err != nil {
		p.stop()
		if said := fatalLines(log, from); said != "" {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return nil, fmt.Errorf("%w (see %s)", err, log.Name())
	}
	s.setPID(cmd.Process.Pid)
	return p, nil
}

// accepting waits until p takes connections. It does so for as long as p lives: recovery after a crash takes its time.
func (s *Server) accepting(ctx context.Context, p *process) error {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := s.ping(ctx)
		if err == nil {
			return nil
		}
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(pgErr.Code, "28") { // wrong password
			return fmt.Errorf("%s/password is not this cluster's: %w", s.dir, err)
		}
		select {
		case <-p.exited:
			return fmt.Errorf("postgres ended while starting: %w", p.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// fatalLines is what PostgreSQL gave as its reason since offset from, on one line.
func fatalLines(log *os.File, from int64) string {
	b, err := io.ReadAll(io.NewSectionReader(log, from, 64<<10))
	if err != nil {
		return ""
	}
	var said []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "the database system is") { // starting up, shutting down: said to accepting
			continue
		}
		for _, level := range []string{"FATAL:", "PANIC:", "LOG:  could not bind", "LOG:  invalid value", "LOG:  unrecognized"} {
			if i := strings.Index(line, level); i >= 0 {
				said = append(said, strings.TrimSpace(line[i:]))
			}
		}
	}
	return strings.Join(said, "; ")
}

// stop ends p with ever firmer signals and returns when it is gone (PostgreSQL 15 §19.5): fast shutdown, immediate
// shutdown, kill. After the latter two the next start recovers from the log.
func (p *process) stop() {
	for _, step := range []struct {
		signal os.Signal
		wait   time.Duration
	}{
		{syscall.SIGINT, 30 * time.Second}, // time for the closing checkpoint
		{syscall.SIGQUIT, 10 * time.Second},
	} {
		// The only error is that it is gone already, which exited tells as well.
		_ = p.cmd.Process.Signal(step.signal)
		select {
		case <-p.exited:
			return
		case <-time.After(step.wait):
		}
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}
