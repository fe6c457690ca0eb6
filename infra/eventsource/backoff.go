package eventsource

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// backoff is a pause that doubles from firstPause to maxPause, each time cut by up to half at random.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: firstPause} }

func (b *backoff) wait(ctx context.Context) {
	d := b.next/2 + rand.N(b.next/2)
	b.next = min(2*b.next, maxPause)
	sleep(ctx, d)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// outage logs once that the endpoint fails and once that it is back, however many pollers see it.
type outage struct {
	log *slog.Logger
	now atomic.Bool
}

// began takes note of err, unless it is only that ctx has ended.
func (o *outage) began(ctx context.Context, err error) {
	if ctx.Err() == nil && o.now.CompareAndSwap(false, true) {
		o.log.Warn("queue unreachable, trying until it is back", "error", err)
	}
}

func (o *outage) ended() {
	if o.now.CompareAndSwap(true, false) {
		o.log.Info("queue reachable again")
	}
}
