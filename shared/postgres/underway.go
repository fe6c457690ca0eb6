package postgres

// A settlement takes its time and its vids before it commits, and another one that is later may commit first. Who follows
// what is new by its time would pass the one that is still under way. So each settlement says first, by a lock that nobody
// waits for, that it is under way and since when; and who follows is shown what is older than all that are.

// underWayClass is the first number of such a lock, plus the high bits of the time in ms; the second one has the 32 low
// bits. Locks of two numbers are nobody else's here.
const underWayClass = `1048576`

// underWaySQL is to run in a settlement's transaction before it takes its time.
const underWaySQL = `
select pg_advisory_xact_lock_shared(` + underWayClass + ` + (t.ms >> 32)::int4, t.ms::bit(32)::int4)
from (select floor(extract(epoch from clock_timestamp()) * 1000)::int8 as ms) t`

// oldestSQL sets app.horizon to a vid: what has a lower one has been committed, and the statements behind this one in a
// transaction at the level read committed see it; or never will be.
const oldestSQL = `
select set_config('app.horizon', ((least(
	floor(extract(epoch from clock_timestamp()) * 1000)::int8,
	min(((l.classid::int8 - ` + underWayClass + `) << 32) | l.objid::int8)
) - 1577836800000) << 22)::text, true)
from pg_locks l
where l.locktype = 'advisory' and l.objsubid = 2 and l.classid::int8 between ` + underWayClass + ` and ` + underWayClass + ` + 1023
	and l.database = (select d.oid from pg_database d where d.datname = current_database())`

// beforeHorizon is a condition on resources r.
const beforeHorizon = ` and r.vid < current_setting('app.horizon')::int8`
