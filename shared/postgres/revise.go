package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Share names further readers of a resource that the settlement does not write.
type Share struct {
	ID      referral.UUID
	Readers []string
}

// revisePart writes versions of any kind: resources are new (n), follow a version (f) or are deleted (d). The rows
// that go to history are those that the statement found, whatever it does to them.
const revisePart = `, w as (
	select u.id, u.type, string_to_array(u.readers, ',') as readers, nullif(u.owner, '') as owner, u.meta, u.content, u.version, u.kind,
		b.settled_at, b.vid + u.position - 1 as vid
	from b, unnest($30::uuid[], $31::text[], $32::text[], $33::text[], $34::text[], $35::text[], $36::int4[], $37::text[])
		with ordinality as u(id, type, readers, owner, meta, content, version, kind, position)
), n as (
	insert into resource (id, type, org, readers, owner, version, last_updated, vid, meta, content, accepted_at, d)
	select w.id, w.type, $1, w.readers, w.owner, w.version, w.settled_at, w.vid, w.meta, w.content, $3, $2 from w where w.kind = 'n'
), h as (
	insert into history (id, version, type, org, readers, last_updated, meta, content, accepted_at, d)
	select r.id, r.version, r.type, r.org, r.readers, r.last_updated, r.meta, r.content, r.accepted_at, r.d
	from w join resource r on r.id = w.id
), f as (
	update resource r set readers = w.readers, owner = w.owner, version = w.version, last_updated = w.settled_at, vid = w.vid,
		meta = w.meta, content = w.content, accepted_at = $3, d = $2
	from w where w.kind = 'f' and r.id = w.id
), d as (
	delete from resource r using w where w.kind = 'd' and r.id = w.id
), t as (
	insert into history (id, version, type, org, readers, last_updated, meta, content, accepted_at, d, deleted)
	select w.id, w.version, w.type, $1, w.readers, w.settled_at, '', '', $3, $2, true from w where w.kind = 'd'
), x as (
	delete from idx using b, unnest($38::int8[], $39::int8[]) u(h, vid) where idx.h = u.h and idx.vid = u.vid
), g as (
	update resource r set readers = array(select distinct o from unnest(r.readers || k.readers) o order by o)
	from (
		select r.id, string_to_array(u.readers, ',') as readers
		from b cross join (select u.id, u.readers from unnest($40::uuid[], $41::text[]) u(id, readers) order by u.id) u
		cross join lateral (select r.id from resource r where r.id = u.id and ` + isOwn + ` limit 1 for no key update of r) r
	) k
	where r.id = k.id
	returning r.id, r.vid
), gi as (
	insert into idx (h, vid) select u.h, g.vid >> 10 << 10 from g join unnest($42::uuid[], $43::int8[]) u(id, h) on u.id = g.id
	on conflict do nothing
)`

const reviseSQL = submissionPart + revisePart + settledPart

// Revise settles a submission that depends on what is stored. It takes the locks of l, reads what l asks for, has decide
// complete s with it, and writes s, all in one transaction of three round trips. What it found of the organisation's own
// is still as it was when it commits. settled is false when the submission is settled already, and nothing was written.
// An error of decide is returned as it is, and nothing is written. What another transaction made impossible is tried
// again inside, and decide is called again, with what is there then. Other errors are as those of Settle.
func (db *DB) Revise(ctx context.Context, s *Settlement, l Lookup, decide func(*Found) error) (settled bool, err error) {
	err = persist(ctx, func() (err error) {
		settled, err = db.revise(ctx, s, l, decide)
		return err
	})
	return settled, err
}

// persist calls write again, after a short while, when others have overtaken it.
func persist(ctx context.Context, write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if err == nil || try == maxTries || !overtaken(err) {
			return err
		}
		select {
		case <-time.After(rand.N(time.Duration(try) * 20 * time.Millisecond)):
		case <-ctx.Done():
			return err
		}
	}
}

// maxTries is how often a settlement that others overtake is tried.
const maxTries = 5

const serializationFailure = "40001" // PostgreSQL errcodes-appendix.html

// overtaken tells of an error that another transaction was in the way and that nothing was written, unless that has taken
// its time already: a serialization failure, a deadlock, a row that has just been made, a statement that a migration has
// made another.
func overtaken(err error) bool {
	pg, ok := errors.AsType[*Error](err)
	return ok && pg.Class() == ClassBusy && !timeouts[pg.SQLState]
}

// timeouts are of locks, statements and transactions.
var timeouts = map[string]bool{"25P03": true, "25P04": true, "55P03": true, "57014": true}

func (db *DB) revise(ctx context.Context, s *Settlement, l Lookup, decide func(*Found) error) (settled bool, err error) {
	conn, err := db.acquire(ctx)
	if err != nil {
		return false, reduce("revise", err)
	}
	defer release(conn)
	var found Found
	known := 0
	lookup := append([]statement{
		l.lock(s.Org, s.Digest),
		{s.Org, knownSQL, []any{s.Org, s.Digest[:]}, func(rows pgx.Rows) (err error) {
			known, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
			return err
		}},
	}, l.statements(s.Org, &found)...)
	if err := within(ctx, conn, s.Org, true, lookup...); err != nil {
		return false, reduce("revise", err)
	}
	if known > 0 {
		return false, nil
	}
	if !found.isHeld() {
		return false, errChanged()
	}
	if err := found.readBehind(ctx, conn, s.Org); err != nil {
		return false, reduce("revise", err)
	}
	if err := decide(&found); err != nil {
		return false, err
	}
	changed := false
	write := append([]statement{found.keep(s.Org, &changed)}, found.keepBehind(s.Org, &changed)...)
	write = append(write, statement{s.Org, underWaySQL, nil, nil}, statement{s.Org, reviseSQL, s.reviseArgs(), readSettled(&settled)})
	write = append(write, s.share()...)
	if s.Awaited {
		write = append(write, s.notice())
	}
	if err := within(ctx, conn, s.Org, false, write...); err != nil || !settled {
		return false, reduce("revise", err)
	}
	if changed {
		return false, errChanged()
	}
	tag, err := conn.Exec(ctx, "commit")
	if err != nil {
		return false, reduce("revise", err)
	}
	if tag.String() != "COMMIT" { // of a transaction that had failed, PostgreSQL makes a ROLLBACK of it
		return false, ErrBusy
	}
	return true, nil
}

// within runs statements in the connection's transaction, which it begins first where it is to, in one round trip.
func within(ctx context.Context, conn *pgxpool.Conn, org string, begin bool, statements ...statement) error {
	batch := &pgx.Batch{}
	if begin {
		batch.Queue("begin")
		// To plan the statements for their values takes longer than to run them, and comes to the same: all look up by keys.
		batch.Queue(`select set_config('app.org', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true)`, org)
	}
	for _, s := range statements {
		batch.Queue(s.query, s.args...)
	}
	results := conn.SendBatch(ctx, batch)
	err := func() error {
		if begin {
			for range 2 {
				if _, err := results.Exec(); err != nil {
					return err
				}
			}
		}
		for _, s := range statements {
			if err := readAll(results, s.read); err != nil {
				return err
			}
		}
		return nil
	}()
	return errors.Join(err, results.Close())
}

// release gives the connection back, its transaction ended: the pool closes one that is still in a transaction.
func release(conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // also when the caller has gone
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // failed, the pool closes the connection
	}
	conn.Release()
}

// reviseArgs are those of reviseSQL.
func (s *Settlement) reviseArgs() []any {
	n := len(s.Resources)
	versions, kinds := make([]int32, n), make([]string, n)
	var keys, vids []int64
	for i, r := range s.Resources {
		versions[i] = int32(max(r.Version, 1))
		switch {
		case r.Deleted:
			kinds[i] = "d"
		case r.Replaces != nil:
			kinds[i] = "f"
		default:
			kinds[i] = "n"
		}
		if r.Replaces != nil {
			for _, key := range r.Replaces.Keys {
				keys, vids = append(keys, key), append(vids, r.Replaces.VID)
			}
		}
	}
	var shared [][16]byte
	var readers []string
	var listed [][16]byte
	var lists []int64
	for _, share := range s.Shares {
		shared, readers = append(shared, share.ID), append(readers, strings.Join(share.Readers, ","))
		for _, org := range share.Readers {
			listed, lists = append(listed, share.ID), append(lists, search.ListHash(org))
		}
	}
	return append(s.args(), versions, kinds, keys, vids, shared, readers, listed, lists)
}
