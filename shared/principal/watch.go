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

	mu      sync.Mutex // guards what follows
	source  Source
	version string
	sum     [sha256.Size]byte // of the document as it was read last, good or bad
	bad     error             // what is wrong with it
	trouble string            // what the operator has been told
}

// openWatched reads the document, which must be there and good.
func openWatched[T any](ctx context.Context, w watch, source Source, what string, parse func([]byte) (T, error)) (*watched[T], error) {
	d := &watched[T]{watch: w, what: what, parse: parse, source: source}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.read(ctx); err != nil {
		return nil, err
	}
	d.checked.Store(w.clock().UnixNano())
	return d, nil
}

// get returns the value, the last good one when the document has gone or gone wrong since.
func (d *watched[T]) get() T {
	// Who comes while another one reads goes on with the value there is, unless it has not been used for long.
	switch age := d.age(); {
	case age < d.every:
	case age < 2*d.every+readTimeout:
		if d.mu.TryLock() {
			d.refresh()
			d.mu.Unlock()
		}
	default:
		d.mu.Lock()
		d.refresh()
		d.mu.Unlock()
	}
	return *d.current.Load()
}

// age is how long ago the source was asked. It is by the time of day, since other clocks stand still while a Lambda
// function is frozen; when somebody has turned that back, nobody knows, and it is long.
func (d *watched[T]) age() time.Duration {
	age := time.Duration(d.clock().UnixNano() - d.checked.Load())
	if age < 0 {
		return math.MaxInt64
	}
	return age
}

// refresh reads again, unless somebody has just done so, and tells the operator what is new.
func (d *watched[T]) refresh() {
	if d.age() < d.every {
		return
	}
	// The request that asks may end early; what it reads is everybody's.
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	err := d.read(ctx)
	d.checked.Store(d.clock().UnixNano())
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
func (d *watched[T]) read(ctx context.Context) error {
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
	if d.current.Swap(&value) != nil {
		d.log.Info("took a new document", slog.String("document", d.what))
	}
	return nil
}
