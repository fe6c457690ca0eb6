package postgres

import (
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// What Revise locks, each kind in one order for all: the submission and the types that conditions are about, then
// the rows that may be written, and when it writes those that it has only read. Two that write what the other one has
// read are a deadlock, which PostgreSQL ends and Revise tries again: rows that are only read, such as the organisation
// that every referral names, hold up nobody.

// typeLocks is how many locks the types of an organisation's resources share: the server's table of locks is small.
const typeLocks = 64

const (
	lockSQL = `
select case when k.shared then pg_advisory_xact_lock_shared(k.key) else pg_advisory_xact_lock(k.key) end
from unnest($1::int8[], $2::bool[]) with ordinality k(key, shared, position) order by k.position`

	holdSQL = matchedOwn + `
select r.id from (select p.id from p union select unnest($9::uuid[]) order by 1) w
cross join lateral (select r.id from resource r where r.id = w.id and ` + mayWrite + ` limit 1 for update of r) r`

	// keepSQL counts the versions that are still there, and keeps others from writing a next one.
	keepSQL = `
select count(*) from (select u.id, u.vid from unnest($2::uuid[], $3::int8[]) u(id, vid) order by u.id) u
cross join lateral (select from resource r where r.id = u.id and r.vid = u.vid and ` + isOwn + ` limit 1 for key share of r) r`
)

// lock takes the locks in the order of their numbers: the submission's, and where the settlement has conditions those of
// the types that they are about, alone, and those of the types that it writes. Whatever two that have conditions find
// and write, one of them comes after the other. One without conditions finds nothing that another could make.
func (l Lookup) lock(org string, d referral.Digest) statement {
	locks := map[int64]bool{} // whether they are shared
	if len(l.Conditions) > 0 {
		for _, t := range l.Types {
			locks[typeLock(org, t)] = true
		}
	}
	for _, c := range l.Conditions {
		locks[typeLock(org, c.Type)] = false
	}
	locks[search.LockHash("submission", org, string(d[:]))] = false
	keys := slices.Sorted(maps.Keys(locks))
	shared := make([]bool, len(keys))
	for i, key := range keys {
		shared[i] = locks[key]
	}
	return statement{org, lockSQL, []any{keys, shared}, nil}
}

func typeLock(org, resourceType string) int64 {
	n := uint64(search.LockHash("type", resourceType)) % typeLocks
	return search.LockHash("type", org, strconv.FormatUint(n, 10))
}

// readHeld notes the rows that are locked.
func (f *Found) readHeld(rows pgx.Rows) error {
	for rows.Next() {
		var id [16]byte
		if err := rows.Scan(&id); err != nil {
			return err
		}
		f.held[id] = true
	}
	return nil
}

// isHeld tells whether all that may be written is locked: some of it may have appeared since the locks were had.
func (f *Found) isHeld() bool {
	for id, v := range f.Own {
		if !v.Deleted && !f.held[id] {
			return false
		}
	}
	return !f.missed
}

// keep locks what was read of the organisation's own, and tells whether some of it is not as it was any more.
func (f *Found) keep(org string, changed *bool) statement {
	var ids [][16]byte
	var vids []int64
	for id, r := range f.Reached {
		if r.Own && !f.held[id] {
			ids, vids = append(ids, id), append(vids, r.VID)
		}
	}
	return statement{org, keepSQL, []any{org, ids, vids}, func(rows pgx.Rows) error {
		kept, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
		*changed = *changed || kept != len(ids)
		return err
	}}
}

// errChanged says that another settlement has written what this one depends on.
func errChanged() error { return &Error{SQLState: serializationFailure} }
