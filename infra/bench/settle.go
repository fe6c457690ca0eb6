package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// drained waits until nothing has settled for a second: the queue is empty.
func (b *bench) drained(ctx context.Context) error {
	last, since := -1, time.Now()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		n, err := b.settled(ctx)
		if err != nil {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > time.Second {
			return nil
		}
		time.Sleep(200 * time.Millisecond) // to count takes time from what is measured
	}
	return fmt.Errorf("the queue did not drain within five minutes")
}

// settled is how many submissions there are in the store.
func (b *bench) settled(ctx context.Context) (n int, err error) {
	err = b.store.QueryRow(ctx, `select count(*) from submission`).Scan(&n)
	return n, err
}

// settle measures the way from the client to the store: first with as much as goes in, then at half that rate.
func (b *bench) settle(ctx context.Context) error {
	submit := b.submissions(16, 2*b.each)
	begin, err := b.now(ctx)
	if err != nil {
		return err
	}
	before, err := b.allocations(ctx)
	if err != nil {
		return err
	}
	if _, err := load(ctx, 16, 2*b.each, submit); err != nil {
		return err
	}
	if err := b.drained(ctx); err != nil {
		return err
	}
	after, err := b.allocations(ctx)
	if err != nil {
		return err
	}
	var n, seconds float64
	if err := b.store.QueryRow(ctx, `select count(*), extract(epoch from max(settled_at) - $1)::float8
		from submission where settled_at > $1`, begin).Scan(&n, &seconds); err != nil {
		return err
	}
	b.perSecond = n / seconds
	b.add("settled, end to end", b.perSecond, "Bundles/s")
	b.add("allocations of the server", (after-before)/n, "a Bundle")
	if err := b.latency(ctx, begin, "full load"); err != nil {
		return err
	}
	return b.settleAt(ctx, b.perSecond/2)
}

// now is the store's time.
func (b *bench) now(ctx context.Context) (now time.Time, err error) {
	err = b.store.QueryRow(ctx, `select clock_timestamp()`).Scan(&now)
	return now, err
}

// latency adds the times from accepted to settled of what settled since begin.
func (b *bench) latency(ctx context.Context, begin time.Time, load string) error {
	var p50, p99 float64
	if err := b.store.QueryRow(ctx, `select
			percentile_cont(0.50) within group (order by extract(epoch from settled_at - accepted_at) * 1000),
			percentile_cont(0.99) within group (order by extract(epoch from settled_at - accepted_at) * 1000)
		from submission where settled_at > $1`, begin).Scan(&p50, &p99); err != nil {
		return err
	}
	b.add("accept to settled p50, "+load, p50, "ms")
	b.add("accept to settled p99, "+load, p99, "ms")
	return nil
}

// settleAt submits at a steady rate and measures the time from accepted to settled.
func (b *bench) settleAt(ctx context.Context, rate float64) error {
	begin, err := b.now(ctx)
	if err != nil {
		return err
	}
	const clients = 16
	submit, pause := b.submissions(clients, b.each), time.Duration(clients/rate*float64(time.Second))
	var mu sync.Mutex
	next := make([]time.Time, clients) // guarded by mu
	if _, err := load(ctx, clients, b.each, func(ctx context.Context, i int) error {
		mu.Lock()
		if next[i].IsZero() {
			next[i] = time.Now().Add(time.Duration(i) * pause / clients)
		}
		wait := time.Until(next[i])
		next[i] = next[i].Add(pause)
		mu.Unlock()
		time.Sleep(wait)
		return submit(ctx, i)
	}); err != nil {
		return err
	}
	if err := b.drained(ctx); err != nil {
		return err
	}
	return b.latency(ctx, begin, "half load")
}
