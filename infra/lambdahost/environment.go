package lambdahost

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// environment is one execution environment: a Runtime API of its own, and behind it one process after the other.
type environment struct {
	f         *Function
	log       *slog.Logger
	address   string // of the Runtime API
	api       *http.Server
	serving   sync.WaitGroup
	polls     chan poll                  // the process asks for its next event
	initError chan *FunctionError        // the process reports that it cannot start
	current   atomic.Pointer[invocation] // the one that the process works at; nil: none
}

func newEnvironment(f *Function) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("runtime API: %w", err)
	}
	e := &environment{
		f: f, log: f.Log.With(slog.String("function", f.Name)), address: listener.Addr().String(),
		polls: make(chan poll), initError: make(chan *FunctionError),
	}
	e.api = &http.Server{Handler: e.routes(), ReadHeaderTimeout: 5 * time.Second}
	e.serving.Go(func() {
		if err := e.api.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("runtime API ended", slog.String("error", err.Error()))
		}
	})
	return e, nil
}

const (
	initTimeout   = 10 * time.Second // Lambda's, from start to the first request for an event
	shortestPause = 20 * time.Millisecond
	longestPause  = 5 * time.Second
)

// run keeps a process running until the function closes. The outcome of the first start goes to started.
//
// Processes are started on a thread of this goroutine's own, since the kernel sends a child its death signal when the
// thread that started it ends, and Go ends idle threads as it likes.
func (e *environment) run(started chan<- error) {
	runtime.LockOSThread()
	defer e.serving.Wait()
	defer e.api.Close()
	pause := shortestPause
	for first := true; !e.isClosing(); first = false {
		answered, initErr := e.live(func() {
			if first {
				started <- nil
			}
		})
		if e.isClosing() {
			return
		}
		if initErr != nil {
			e.log.Error("process did not start", slog.String("error", initErr.Error()))
			if first {
				started <- initErr
				return
			}
		}
		if answered {
			pause = shortestPause
		}
		e.pause(pause, initErr)
		pause = min(2*pause, longestPause)
	}
}

func (e *environment) isClosing() bool {
	select {
	case <-e.f.closing:
		return true
	default:
		return false
	}
}

// pause waits before another process is started. When the last one could not be started events are refused meanwhile,
// else they wait.
func (e *environment) pause(d time.Duration, initErr error) {
	var work chan *invocation // nil: none is taken
	if initErr != nil {
		work = e.f.work
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-e.f.closing:
			return
		case i := <-work:
			i.finish(nil, initErr)
		}
	}
}

// live starts a process, calls ready when it asks for its first event, and gives it events until it ends or has to. It
// tells whether any event was answered. The error is that of a process that never asked for one.
func (e *environment) live(ready func()) (answered bool, initErr error) {
	cmd := exec.Command(e.f.Bootstrap)
	cmd.Dir = filepath.Dir(e.f.Bootstrap)
	cmd.Env = e.environ()
	cmd.Stdout, cmd.Stderr = e.f.Output, e.f.Output
	cmd.WaitDelay = time.Second // for output that a child of the process holds open
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start bootstrap: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // its status is in cmd.ProcessState
	}()
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		<-exited
	}()

	timer := time.NewTimer(initTimeout)
	defer timer.Stop()
	var next poll
	select {
	case next = <-e.polls:
		ready()
	case err := <-e.initError:
		return false, err
	case <-exited:
		return false, fmt.Errorf("bootstrap ended (%s) before it asked for an event; its output says why", cmd.ProcessState)
	case <-timer.C:
		return false, fmt.Errorf("bootstrap did not ask for an event within %v", initTimeout)
	case <-e.f.closing:
		return false, nil
	}
	for {
		var i *invocation
		select {
		case i = <-e.f.work:
		case next = <-e.polls: // it asks again on another connection
			continue
		case <-exited:
			e.log.Warn("process ended between events", slog.String("status", cmd.ProcessState.String()))
			return answered, nil
		case <-e.f.closing:
			return answered, nil
		}
		i.deadline = time.Now().Add(e.f.Timeout)
		timer.Reset(e.f.Timeout)
		e.current.Store(i)
		err := e.work(i, next, exited, timer.C)
		e.current.Store(nil)
		if err != nil {
			e.log.Error("invocation failed", slog.String("requestId", i.id), slog.String("error", err.Error()))
			return answered, nil
		}
		answered = true
		// Lambda counts an invocation as going on until the runtime asks for the next.
		select {
		case next = <-e.polls:
		case <-exited:
			e.log.Warn("process ended after an event", slog.String("status", cmd.ProcessState.String()))
			return answered, nil
		case <-timer.C:
			e.log.Warn("process did not ask for another event in time")
			return answered, nil
		}
	}
}

// work hands i to the process and waits for its report. The error says why there never will be one.
func (e *environment) work(i *invocation, next poll, exited <-chan struct{}, timeout <-chan time.Time) error {
	handed, polls := next.invocation, e.polls
	failure := &FunctionError{Type: "Runtime.ExitError"}
	for waiting := true; waiting; {
		select {
		case handed <- i:
			handed, polls = nil, nil
		case next = <-polls: // it asks again on another connection
			handed = next.invocation
		case <-i.finished:
			return nil
		case <-exited:
			waiting = false
		case <-timeout:
			failure.Type, waiting = "Sandbox.Timedout", false
		}
	}
	if i.finish(nil, failure) {
		return failure
	}
	return nil // it had reported just before
}

// environ is what Lambda tells a process (Lambda Developer Guide "Defined runtime environment variables") and the
// function's own variables.
func (e *environment) environ() []string {
	return append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + e.address,
		"AWS_LAMBDA_FUNCTION_NAME=" + e.f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024",
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(e.f.Bootstrap),
		"_HANDLER=bootstrap",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
	}, e.f.Env...)
}
