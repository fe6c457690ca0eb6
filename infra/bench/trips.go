package main

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// trips counts the round trips to PostgreSQL for a Bundle, of a second server whose connections go through proxies to
// databases of their own: the counting slows down no other measurement.
func (b *bench) trips(ctx context.Context) (err error) {
	storeURL, err := b.newDatabase(ctx, "trips_store")
	if err != nil {
		return err
	}
	queueURL, err := b.newDatabase(ctx, "trips_queue")
	if err != nil {
		return err
	}
	store, err := pgproxy.Start(storeURL.Host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	queue, err := pgproxy.Start(queueURL.Host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Close()) }()
	watcher, err := pgxpool.New(ctx, storeURL.String())
	if err != nil {
		return err
	}
	defer watcher.Close()
	storeURL.Host, queueURL.Host = store.Address(), queue.Address()
	s, err := startStack(ctx, b.binary, filepath.Join(b.dir, "trips"), b.registry,
		"DATABASE_URL="+storeURL.String(), "REFERRAL_QUEUE_DATABASE_URL="+queueURL.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	counted := &bench{stack: s, client: newClient(s.base), store: watcher, organisations: b.organisations}

	const few = 50
	if err := counted.oneByOne(ctx, few); err != nil { // connections and prepared statements
		return err
	}
	before := store.Trips()
	if err := counted.oneByOne(ctx, few); err != nil {
		return err
	}
	b.add("round trips to the store, one by one", float64(store.Trips()-before)/few, "a Bundle")

	before, queueBefore := store.Trips(), queue.Trips()
	r, err := load(ctx, 16, b.each/2, counted.submissions(16, b.each/2))
	if err != nil {
		return err
	}
	if err := counted.drained(ctx); err != nil {
		return err
	}
	n := float64(len(r.latencies))
	b.add("round trips to the store, full load", float64(store.Trips()-before)/n, "a Bundle")
	b.add("round trips to the queue's database", float64(queue.Trips()-queueBefore)/n, "a Bundle")
	return nil
}

// newDatabase makes an empty database in the stack's cluster.
func (b *bench) newDatabase(ctx context.Context, name string) (*url.URL, error) {
	if _, err := b.store.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return nil, err
	}
	u, err := url.Parse(b.env["DATABASE_URL"])
	if err != nil {
		return nil, errors.New("DATABASE_URL cannot be parsed")
	}
	u.Path = "/" + name
	return u, nil
}

// oneByOne submits n referrals, each when the one before has settled.
func (b *bench) oneByOne(ctx context.Context, n int) error {
	submit := b.submissions(1, 0)
	before, err := b.settled(ctx)
	if err != nil {
		return err
	}
	for want := before + 1; want <= before+n; want++ {
		if err := submit(ctx, 0); err != nil {
			return err
		}
		for now := 0; now < want; time.Sleep(time.Millisecond) {
			if now, err = b.settled(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
