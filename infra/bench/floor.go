package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// commit measures what every 202 waits for at the least: one row of a message's size, inserted by one client, on disk.
// Other work on the same disk shows here first.
func (b *bench) commit(ctx context.Context) error {
	if _, err := b.store.Exec(ctx, `create table bench_commit (content text)`); err != nil {
		return err
	}
	content := strings.Repeat("x", 5<<10)
	r, err := load(ctx, 1, b.each/5, func(ctx context.Context, _ int) error {
		_, err := b.store.Exec(ctx, `insert into bench_commit values ($1)`, content)
		return err
	})
	if err != nil {
		return err
	}
	b.add("PostgreSQL commit p50, 1 client", r.quantile(0.50), "ms")
	_, err = b.store.Exec(ctx, `drop table bench_commit`)
	return err
}

// floor inserts the newest submissions' rows again into tables of the same shape, ten submissions a transaction on two
// connections: what PostgreSQL does when nothing else is to be done.
func (b *bench) floor(ctx context.Context) error {
	for _, sql := range []string{
		`create schema floor`,
		`create table floor.submission (like submission including all)`,
		`create table floor.resource (like resource including all)`,
		`create table floor.idx (like idx including all)`,
		`create table floor.newest as
			select s, (row_number() over (order by settled_at) - 1) / 10 as batch
			from submission s where state = 'completed' order by settled_at desc limit 5000`,
		`create table floor.resources as
			select r, n.batch from floor.newest n, unnest((n.s).resources) u(version), resource r
			where r.id = split_part(u.version, '/', 2)::uuid`,
		`create table floor.indexed as select i, r.batch from floor.resources r join idx i on i.vid = (r.r).vid`,
		`create index on floor.newest (batch)`, `create index on floor.resources (batch)`, `create index on floor.indexed (batch)`,
		`analyze floor.newest`, `analyze floor.resources`, `analyze floor.indexed`, `checkpoint`,
	} {
		if _, err := b.store.Exec(ctx, sql); err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	var batches, submissions int
	if err := b.store.QueryRow(ctx, `select max(batch) + 1, count(*) from floor.newest`).Scan(&batches, &submissions); err != nil {
		return err
	}
	begin := time.Now()
	var inserting sync.WaitGroup
	errs := make([]error, 2)
	for worker := range errs {
		inserting.Go(func() {
			for batch := worker; batch < batches && errs[worker] == nil; batch += len(errs) {
				errs[worker] = b.insertBatch(ctx, batch)
			}
		})
	}
	inserting.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
	}
	floor := float64(submissions) / time.Since(begin).Seconds()
	b.add("PostgreSQL floor", floor, "Bundles/s")
	b.add("settled, of the floor", b.perSecond/floor, "")
	return nil
}

func (b *bench) insertBatch(ctx context.Context, batch int) error {
	return pgx.BeginFunc(ctx, b.store, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`insert into floor.submission select (s).* from floor.newest where batch = $1`,
			`insert into floor.resource select (r).* from floor.resources where batch = $1`,
			`insert into floor.idx select (i).* from floor.indexed where batch = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, batch); err != nil {
				return err
			}
		}
		return nil
	})
}
