package principal

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// watch is how documents are watched.
type watch struct {
	every time.Duration // how long a document is used before its source is asked again
	clock func() time.Time
	log   *slog.Logger
}

// readTimeout is what a caller waits at most when a document is to be read again.
const readTimeout = 2 * time.Second

// watched is the newest good value of a document. Its source is asked when the value is used and has not been checked for
// a while, by the user who comes first; so it costs nothing while nobody calls, has no goroutine of its own, and a Lambda
// function that was frozen reads before it trusts. Safe for concurrent use.
type watched[T any] struct {
	watch
	what    string
	parse   func([]byte) (T, error)
	current atomic.Pointer[T]
	checked atomic.Int64 // when the source was asked last, in unix ns
	good    atomic.Int64 // when it had a good document last

	mu      sync.Mutex // guards what follows
	source  Source
	version string
	sum     [sha256.Size]byte // of the document as it was read last, good or bad
	bad     error             // what is wrong with it
	trouble string            // what the operator has been told
}

// openWatched reads the document, which must be there and good.
func openWatched[T any](ctx context.Context, w watch, source Source, what string, parse func([]byte) (T, error)) (*watched[T], error) {
	d := newWatched(w, source, what, parse)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.read(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// newWatched returns a document that is read when it is used first; its value is T's zero one until there is a good one.
func newWatched[T any](w watch, source Source, what string, parse func([]byte) (T, error)) *watched[T] {
	d := &watched[T]{watch: w, what: what, parse: parse, source: source}
	d.current.Store(new(T))
	return d
}

// get returns the value, the last good one when the document has gone or gone wrong since.
func (d *watched[T]) get() T {
	// Who comes while another one reads goes on with the value there is, unless it has not been used for long.
	switch age := d.since(&d.checked); {
	case age < d.every:
	case age < 2*d.every+readTimeout:
		if d.mu.TryLock() {
			d.refresh(d.every)
			d.mu.Unlock()
		}
	default:
		return d.within(d.every)
	}
	return *d.current.Load()
}

// within returns the value that the source had, if it could tell, less than age ago.
func (d *watched[T]) within(age time.Duration) T {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh(age)
	return *d.current.Load()
}

// since is how long ago an event was. It is by the time of day, since other clocks stand still while a Lambda function
// is frozen; when somebody has turned that back, nobody knows, and it is long.
func (d *watched[T]) since(event *atomic.Int64) time.Duration {
	age := time.Duration(d.clock().UnixNano() - event.Load())
	if age < 0 {
		return math.MaxInt64
	}
	return age
}

// refresh reads again, unless somebody has done so less than age ago, and tells the operator what is new.
func (d *watched[T]) refresh(age time.Duration) {
	if d.since(&d.checked) < age {
		return
	}
	// The request that asks may end early; what it reads is everybody's.
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	err := d.read(ctx)
	switch {
	case err == nil && d.trouble != "":
		d.trouble = ""
		d.log.Info("the document is good again", slog.String("document", d.what))
	case err != nil && err.Error() != d.trouble:
		d.trouble = err.Error()
		d.log.Error("cannot take the new document; the last good one stays", slog.String("document", d.what), slog.String("error", d.trouble))
	}
}

// read makes the document's value the current one if it has changed and is good. The error of a bad one stays until
// another one is there.
func (d *watched[T]) read(ctx context.Context) (err error) {
	defer func() {
		now := d.clock().UnixNano()
		d.checked.Store(now)
		if err == nil {
			d.good.Store(now)
		}
	}()
	document, version, err := d.source.Read(ctx, d.version)
	if err != nil {
		return fmt.Errorf("read the %s: %w", d.what, err)
	}
	if document == nil {
		return d.bad
	}
	d.version = version
	sum := sha256.Sum256(document)
	if sum == d.sum {
		return d.bad
	}
	d.sum = sum
	value, err := d.parse(document)
	if err != nil {
		d.bad = fmt.Errorf("%s: %w", d.what, err)
		return d.bad
	}
	d.bad = nil
	d.current.Store(&value)
	if d.good.Load() != 0 {
		d.log.Info("took a new document", slog.String("document", d.what))
	}
	return nil
}
