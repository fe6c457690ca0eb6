package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// gathering commits statements that come at the same time in one transaction: while one is under way, the next gather. So
// many small ones cost less than a commit each, and one that comes alone waits for nobody. It is safe for concurrent use.
type gathering struct {
	turn chan struct{} // has room for one, who commits

	mu      sync.Mutex
	waiting []*gathered // guarded by mu
}

// gathered is a statement that waits to be committed.
type gathered struct {
	statement
	done chan error // has room for one
}

const (
	gatheredAtOnce = 64               // statements of one transaction, at most
	gatheredWithin = 10 * time.Second // for whoever has no deadline
)

// errAlone says that a transaction failed for which one of several is to blame, or none.
var errAlone = errors.New("to be tried alone")

func newGathering() *gathering { return &gathering{turn: make(chan struct{}, 1)} }

// commit returns when s is committed, by run, or the error of it. When ctx ends before, nobody knows.
func (g *gathering) commit(ctx context.Context, s statement, run func(context.Context, ...statement) error) error {
	own := &gathered{s, make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, own)
	g.mu.Unlock()
	for {
		select {
		case err := <-own.done:
			if errors.Is(err, errAlone) {
				return run(ctx, s)
			}
			return err
		case <-ctx.Done():
			g.forget(own)
			return ctx.Err()
		case g.turn <- struct{}{}:
			g.lead(ctx, own, run)
		}
	}
}

// lead has the turn and commits those that have waited longest, unless own was among those of the turn before. That who
// leads goes away does not end the others' transaction.
func (g *gathering) lead(ctx context.Context, own *gathered, run func(context.Context, ...statement) error) {
	defer func() { <-g.turn }()
	if len(own.done) > 0 {
		return
	}
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(gatheredWithin)
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	some := g.take()
	statements := make([]statement, len(some))
	for i, s := range some {
		statements[i] = s.statement
	}
	err := errAlone // also when run panics
	defer func() {
		for _, s := range some {
			s.done <- err
		}
	}()
	if failure := run(ctx, statements...); failure == nil || len(some) == 1 {
		err = failure
	}
}

func (g *gathering) take() []*gathered {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), gatheredAtOnce)
	some := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return some
}

func (g *gathering) forget(own *gathered) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(slices.Clone(g.waiting), func(w *gathered) bool { return w == own }) // take gives parts of it away
}
