package main

import (
	"context"
)

// size tells what the referrals so far take, and what one more writes.
func (b *bench) size(ctx context.Context) error {
	var bytes, n float64
	if err := b.store.QueryRow(ctx, `select
			(select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace)::float8,
			(select count(*) from submission)::float8`).Scan(&bytes, &n); err != nil {
		return err
	}
	b.add("stored", bytes/n/1024, "KiB a referral")
	wal := func() (position float64, err error) {
		err = b.store.QueryRow(ctx, `select (pg_current_wal_lsn() - '0/0')::float8`).Scan(&position)
		return position, err
	}
	before, err := wal()
	if err != nil {
		return err
	}
	r, err := load(ctx, 8, b.each/2, b.submissions(8, b.each/2))
	if err != nil {
		return err
	}
	if err := b.drained(ctx); err != nil {
		return err
	}
	after, err := wal()
	if err != nil {
		return err
	}
	b.add("WAL, queue and store", (after-before)/float64(len(r.latencies))/1024, "KiB a referral")
	peak, err := b.peakMemory()
	b.add("peak memory of the server", peak/(1<<20), "MiB")
	return err
}
