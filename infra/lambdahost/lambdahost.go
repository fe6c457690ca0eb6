// Package lambdahost runs AWS Lambda functions on this machine: it serves the Lambda Runtime API on loopback and starts
// the very bootstraps that are deployed, for tests and for a server that runs as AWS would.
//
// It promises Lambda's rules for a function (Lambda Developer Guide "Using the Lambda runtime API for custom runtimes"
// and "Understanding the Lambda execution environment lifecycle"): one event at a time in each execution environment,
// which is one process; a deadline, past which the process is killed and its invocation fails; a new process in its
// place whenever one ends; payloads and answers of at most 6 MB. Processes end with this one, however it ends (on
// Linux).
//
// It leaves out what the functions here do not use: extensions, streamed answers, asynchronous invocation, freezing
// between invocations, limits on memory, and any isolation: a bootstrap runs with the rights of this process.
package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config is a function.
type Config struct {
	Bootstrap   string        // path of the executable; required
	Name        string        // of the function; empty: that of the folder Bootstrap is in
	Env         []string      // as NAME=value; processes get these and Lambda's own variables, none of this process
	Concurrency int           // environments; 0: 1
	Timeout     time.Duration // of one invocation; 0: 30 s
	Log         *slog.Logger  // nil: discard
	Output      io.Writer     // takes what processes print, from all of them at once; nil: os.Stderr
}

// Function is a function that runs. It is safe for concurrent use.
type Function struct {
	Config
	work    chan *invocation // to whichever environment is idle
	closing chan struct{}
	closed  sync.Once
	running sync.WaitGroup // one per environment
}

// maxPayload is how many bytes an event or an answer may have (Lambda quotas: invocation payload, synchronous).
const maxPayload = 6291556

// Errors of Invoke beside *FunctionError.
var (
	ErrThrottled       = errors.New("no environment of the function was free")
	ErrPayloadTooLarge = errors.New("the event is larger than Lambda allows")
	ErrClosed          = errors.New("the function is closed")
)

// FunctionError says that an invocation failed in the function. Type is the runtime's or one of Lambda's own:
// Sandbox.Timedout, Runtime.ExitError, Function.ResponseSizeTooLarge. Payload is what the runtime reported, if it did:
// it may hold anything, so it is not part of the error's text.
type FunctionError struct {
	Type    string
	Payload []byte
}

func (e *FunctionError) Error() string { return "the function failed: " + e.Type }

// Start starts c's environments and returns when all are ready for events. ctx bounds the start only. The error is that
// of the first environment that did not become ready; none is left running then.
func Start(ctx context.Context, c Config) (*Function, error) {
	bootstrap, err := filepath.Abs(c.Bootstrap) // processes run in its folder
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	c.Bootstrap = bootstrap
	if c.Name == "" {
		c.Name = filepath.Base(filepath.Dir(bootstrap))
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Output == nil {
		c.Output = os.Stderr
	}
	f := &Function{Config: c, work: make(chan *invocation), closing: make(chan struct{})}
	started := make(chan error, c.Concurrency)
	for range c.Concurrency {
		e, err := newEnvironment(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		f.running.Go(func() { e.run(started) })
	}
	for range c.Concurrency {
		select {
		case err = <-started:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("start function %s: %w", c.Name, err)
		}
	}
	return f, nil
}

// Close takes no further event, lets the invocations in progress end, for as long as Timeout lets them, and ends the
// processes.
func (f *Function) Close() {
	f.closed.Do(func() { close(f.closing) })
	f.running.Wait()
}

// Invoke gives payload, which is JSON, to an idle environment and returns its answer. While none is idle it waits, for
// Timeout at most; the error is ErrThrottled then. A caller whose ctx ends gets its error at once; the function goes on
// with an event that it has.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, ErrPayloadTooLarge
	}
	i := &invocation{id: newRequestID(), payload: payload, finished: make(chan struct{})}
	patience := time.NewTimer(f.Timeout)
	defer patience.Stop()
	select {
	case f.work <- i:
	case <-patience.C:
		return nil, ErrThrottled
	case <-f.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-i.finished:
		return i.answer, i.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// invocation is one event on its way through an environment.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time // set when an environment takes it

	once     sync.Once
	finished chan struct{} // closed when answer and err are set
	answer   []byte
	err      error
}

// finish sets the outcome unless there is one, and tells whether it did.
func (i *invocation) finish(answer []byte, err error) (first bool) {
	i.once.Do(func() {
		i.answer, i.err, first = answer, err, true
		close(i.finished)
	})
	return first
}
