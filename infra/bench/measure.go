package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// entries is the size of the referral that everything is measured with.
const entries = 15

// bench is a run: the stack, and the rows so far.
type bench struct {
	*stack
	client *client
	store  *pgxpool.Pool
	each   time.Duration
	rows   []Row
}

func (b *bench) add(name string, value float64, unit string) {
	b.rows = append(b.rows, Row{name, value, unit})
}

func measure(ctx context.Context, binary string, each time.Duration) (rows []Row, err error) {
	dir, err := os.MkdirTemp("", "referral-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	cold, err := startStack(ctx, binary, data)
	if err != nil {
		return nil, err
	}
	if err := cold.stop(); err != nil {
		return nil, fmt.Errorf("stop: %w\n%s", err, cold.output)
	}
	s, err := startStack(ctx, binary, data)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	b := &bench{stack: s, client: newClient(s.base), each: each}
	if b.store, err = pgxpool.New(ctx, s.env["DATABASE_URL"]); err != nil {
		return nil, err
	}
	defer b.store.Close()
	b.add("start, cold data", cold.started.Seconds(), "s")
	b.add("start, warm data", s.started.Seconds(), "s")
	for _, step := range []func(context.Context) error{b.validate, b.accept, b.settle, b.reads, b.size, b.floor} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return b.rows, nil
}

// validate runs gate and schemas on one goroutine of this process.
func (b *bench) validate(context.Context) error {
	body := generate.New(1).Bundle(generate.Options{Entries: entries})
	validator := schemas.New()
	check := func() error {
		v, err := fhir.Parse(body, "Bundle", fhir.Limits{})
		if err != nil {
			return err
		}
		if issues := validator.Check(v, "Bundle"); len(issues) > 0 {
			return fmt.Errorf("a generated referral is invalid: %s at %s", issues[0].Details, issues[0].Expression)
		}
		return nil
	}
	if err := check(); err != nil {
		return err
	}
	n, begin := 0, time.Now()
	for time.Since(begin) < b.each/2 {
		if err := check(); err != nil {
			return err
		}
		n++
	}
	b.add("validated, one core", float64(n)/time.Since(begin).Seconds(), "Bundles/s")
	b.add("allocations to validate", testing.AllocsPerRun(20, func() { _ = check() }), "a Bundle")
	b.add("size of a referral", float64(len(body))/1024, "KiB")
	return nil
}

// submissions returns a function that posts referrals, each another, and one generator for each client.
func (b *bench) submissions(clients int) func(context.Context, int) error {
	generators := make([]*generate.Generator, clients)
	for i := range generators {
		generators[i] = generate.New(rand.Uint64())
	}
	return func(ctx context.Context, i int) error {
		_, err := b.client.do(ctx, http.MethodPost, b.base+"/fhir", generators[i].Bundle(generate.Options{Entries: entries}), http.StatusAccepted)
		return err
	}
}

func (b *bench) accept(ctx context.Context) error {
	for _, clients := range []int{1, 8, 32} {
		r, err := load(ctx, clients, b.each, b.submissions(clients))
		if err != nil {
			return err
		}
		b.add(fmt.Sprintf("accepted, %d clients", clients), r.perSecond, "Bundles/s")
		b.add(fmt.Sprintf("accept p50, %d clients", clients), r.quantile(0.50), "ms")
		b.add(fmt.Sprintf("accept p99, %d clients", clients), r.quantile(0.99), "ms")
		if err := b.drained(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drained waits until nothing has settled for a second: the queue is empty.
func (b *bench) drained(ctx context.Context) error {
	last, since := int64(-1), time.Now()
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		var n int64
		if err := b.store.QueryRow(ctx, `select count(*) from submission`).Scan(&n); err != nil {
			return err
		}
		if n != last {
			last, since = n, time.Now()
		} else if time.Since(since) > time.Second {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the queue did not drain within five minutes")
}

// settle measures the way from the client to the store: first with as much as goes in, then at half that rate.
func (b *bench) settle(ctx context.Context) error {
	var begin time.Time
	if err := b.store.QueryRow(ctx, `select clock_timestamp()`).Scan(&begin); err != nil {
		return err
	}
	if _, err := load(ctx, 16, 2*b.each, b.submissions(16)); err != nil {
		return err
	}
	if err := b.drained(ctx); err != nil {
		return err
	}
	var n, seconds float64
	if err := b.store.QueryRow(ctx, `select count(*), extract(epoch from max(settled_at) - $1)::float8
		from submission where settled_at > $1`, begin).Scan(&n, &seconds); err != nil {
		return err
	}
	rate := n / seconds
	b.add("settled, end to end", rate, "Bundles/s")
	return b.settleAt(ctx, rate/2)
}

// settleAt submits at a steady rate and measures the time from accepted to settled.
func (b *bench) settleAt(ctx context.Context, rate float64) error {
	var begin time.Time
	if err := b.store.QueryRow(ctx, `select clock_timestamp()`).Scan(&begin); err != nil {
		return err
	}
	const clients = 16
	submit, pause := b.submissions(clients), time.Duration(clients/rate*float64(time.Second))
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
	var p50, p99 float64
	if err := b.store.QueryRow(ctx, `select
			percentile_cont(0.50) within group (order by extract(epoch from settled_at - accepted_at) * 1000),
			percentile_cont(0.99) within group (order by extract(epoch from settled_at - accepted_at) * 1000)
		from submission where settled_at > $1`, begin).Scan(&p50, &p99); err != nil {
		return err
	}
	b.add("accept to settled p50, half load", p50, "ms")
	b.add("accept to settled p99, half load", p99, "ms")
	return nil
}

// reads polls the status of one submission and reads one resource of it.
func (b *bench) reads(ctx context.Context) error {
	body := generate.New(rand.Uint64()).Bundle(generate.Options{Entries: entries})
	header, err := b.client.do(ctx, http.MethodPost, b.base+"/fhir", body, http.StatusAccepted)
	if err != nil {
		return err
	}
	status := header.Get("Content-Location")
	if err := b.drained(ctx); err != nil {
		return err
	}
	var id string
	if err := b.store.QueryRow(ctx, `select id::text from resource where type = 'Patient' order by vid desc limit 1`).Scan(&id); err != nil {
		return err
	}
	for _, read := range []struct{ name, url string }{
		{"status polls, 8 clients", status}, {"reads, 8 clients", b.base + "/fhir/Patient/" + id},
	} {
		r, err := load(ctx, 8, b.each/2, func(ctx context.Context, _ int) error {
			_, err := b.client.do(ctx, http.MethodGet, read.url, nil, http.StatusOK)
			return err
		})
		if err != nil {
			return err
		}
		b.add(read.name, r.perSecond, "/s")
	}
	return nil
}

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
	r, err := load(ctx, 8, b.each/2, b.submissions(8))
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
	b.add("PostgreSQL floor", float64(submissions)/time.Since(begin).Seconds(), "Bundles/s")
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
