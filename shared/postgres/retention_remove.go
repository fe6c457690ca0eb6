package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// Removed is the BundleType of a submission that nothing else is kept of than that it has settled.
const Removed = "removed"

const (
	takeSQL = `delete from resource r using unnest($1::uuid[], $2::int8[]) u(id, vid) where r.id = u.id and r.vid = u.vid`

	// gravesSQL leaves of each resource one version, which says that it was deleted.
	gravesSQL = `
insert into history (id, version, type, org, readers, last_updated, meta, content, accepted_at, deleted)
select u.id, u.version, u.type, u.org, string_to_array(u.readers, ','), date_trunc('milliseconds', clock_timestamp()), '', '', clock_timestamp(), true
from unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::text[]) u(id, version, type, org, readers)`

	forgetVersionsSQL = `delete from history where id = any($1) and not deleted`

	forgetKeysSQL = `delete from idx using unnest($1::int8[], $2::int8[]) u(h, vid) where idx.h = u.h and idx.vid = u.vid`

	// forgetListsSQL takes from the lists the settlements of which nothing is there any more.
	forgetListsSQL = `
delete from idx using unnest($1::int8[], $2::int8[]) u(h, vid)
where idx.h = u.h and idx.vid = u.vid and not exists (select from resource r where r.vid between u.vid and u.vid + 1023)`

	// emptySQL keeps of submissions that they have settled, under which key, and for whom: sent again, they are known. One
	// that waits for an operator has ended.
	emptySQL = `
with l as (
	delete from listing l using unnest($1::text[], $2::bytea[]) u(org, d), submission s
	where s.org = u.org and s.d = u.d and l.org = any (array_append(s.readers, s.org)) and l.settled_at = s.settled_at and l.d = s.d
)
update submission s set bundle_type = 'removed', state = case when s.state = 'quarantined' then 'rejected' else s.state end,
	request = null, patient = null, service = null, priority = null, authored = null, resources = '{}', outcome = null, answers = $3,
	content = '', sha256 = sha256('')
from unnest($1::text[], $2::bytea[]) u(org, d) where s.org = u.org and s.d = u.d`

	removedSQL = `
insert into audit (org, client, action, outcome, entity, patient, reason)
select u.org, $1, 'D', '0', u.entity, nullif(u.patient, '')::uuid, $2
from unnest($3::text[], $4::text[], $5::text[]) u(org, entity, patient)`
)

// Remove removes the record, in one transaction: of its resources the tombstone is left, of its submissions that they have
// settled. The audit has a row for each, with who did it and why. It looks at the record anew, and does nothing and returns
// false when it is not due any more, or is gone. What is written at the same time is not removed: then the record is not due.
// Errors are those of the package.
func (db *DB) Remove(ctx context.Context, p Retention, r Record, o Operation) (removed bool, err error) {
	return db.remove(ctx, p, r, o, Record.Due)
}

func (db *DB) remove(ctx context.Context, p Retention, r Record, o Operation, due func(Record, time.Time) bool) (removed bool, err error) {
	err = persist(ctx, func() error {
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) (err error) {
			removed, err = p.remove(ctx, tx, r.seed, o, due)
			return err
		})
		if own, ok := errors.AsType[*Error](err); ok {
			return own
		}
		return reduce("remove", err)
	})
	return removed && err == nil, err
}

func (p Retention) remove(ctx context.Context, tx pgx.Tx, from seed, o Operation, due func(Record, time.Time) bool) (bool, error) {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock_shared($1)`, search.LockHash(holdLock)); err != nil {
		return false, err
	}
	r, err := p.record(ctx, tx, from)
	if err != nil || r.Resources+r.Submissions == 0 || !due(r, p.Now) {
		return false, err
	}
	g := grave{patient: r.Patient, last: r.Last}
	if r.about == nil {
		g.addSubmission(sent{Org: from.org, Digest: from.digest[:]})
		return true, g.close(ctx, tx, o)
	}
	for _, k := range r.about.stored {
		g.addResource(k)
	}
	for _, s := range r.about.submissions {
		if s.Complete {
			g.addSubmission(s)
		}
	}
	tag, err := tx.Exec(ctx, takeSQL, g.live, g.vids)
	if err != nil {
		return false, err
	}
	if int(tag.RowsAffected()) != len(g.live) {
		return false, errChanged()
	}
	// Nobody refers to what is gone; who has just done so, before the rows were had, is seen now.
	var patients []referral.UUID
	for id := range r.about.patients {
		patients = append(patients, id)
	}
	newer, err := r.about.read(ctx, tx, nil, patients)
	if err != nil {
		return false, err
	}
	for _, k := range newer {
		for _, id := range namedBy(k) {
			if r.about.isPatient(id) {
				return false, errChanged()
			}
		}
	}
	return true, g.close(ctx, tx, o)
}

// grave is what is removed, as the statements take it.
type grave struct {
	patient string
	last    time.Time
	names   []named

	ids, live            [][16]byte // all resources; those that are there, in step with what follows
	vids                 []int64
	versions             []int32
	types, orgs, readers []string

	keys, keyVIDs   []int64
	lists, listVIDs []int64

	senders []string // of submissions
	digests [][]byte

	auditOrgs, entities, patients []string
}

func (g *grave) addResource(k kept) {
	v := k.Version
	g.ids = append(g.ids, k.ID)
	if v.Type == "Patient" {
		g.names = append(g.names, named{k.Org, k.ID, nameOf(v)})
	}
	patient := g.patient
	if named := namedBy(k); len(named) > 0 {
		patient = named[0].String()
	}
	g.record(k.Org, v.Type+"/"+v.ID, patient)
	if v.Deleted {
		return
	}
	g.live, g.vids, g.versions = append(g.live, k.ID), append(g.vids, v.VID), append(g.versions, int32(v.Number)+1)
	g.types, g.orgs, g.readers = append(g.types, v.Type), append(g.orgs, k.Org), append(g.readers, strings.Join(k.Readers, ","))
	if resource := parsed(v); resource != nil { // else it is in no index
		for _, key := range search.Index(resource, func(reference string) string { return reference }) {
			g.keys, g.keyVIDs = append(g.keys, key), append(g.keyVIDs, v.VID)
		}
	}
	for _, org := range append([]string{k.Org}, k.Readers...) {
		g.lists, g.listVIDs = append(g.lists, search.ListHash(org)), append(g.listVIDs, v.VID>>10<<10)
	}
}

func (g *grave) addSubmission(s sent) {
	g.senders, g.digests = append(g.senders, s.Org), append(g.digests, s.Digest)
	g.record(s.Org, "submission/"+hex.EncodeToString(s.Digest), g.patient)
}

func (g *grave) record(org, entity, patient string) {
	g.auditOrgs, g.entities, g.patients = append(g.auditOrgs, org), append(g.entities, entity), append(g.patients, patient)
}

// close writes all but the deletion of the resources themselves.
func (g *grave) close(ctx context.Context, tx pgx.Tx, o Operation) error {
	for _, s := range []struct {
		query string
		args  []any
	}{
		{gravesSQL, []any{g.live, g.versions, g.types, g.orgs, g.readers}},
		{forgetVersionsSQL, []any{g.ids}},
		{forgetKeysSQL, []any{g.keys, g.keyVIDs}},
		{forgetListsSQL, []any{g.lists, g.listVIDs}},
		{emptySQL, []any{g.senders, g.digests, removedAnswer()}},
		{removedSQL, []any{o.Operator, o.Reason, g.auditOrgs, g.entities, g.patients}},
	} {
		if _, err := tx.Exec(ctx, s.query, s.args...); err != nil {
			return err
		}
	}
	for _, n := range g.names {
		if _, err := tx.Exec(ctx, registerSQL, n.org, [16]byte(n.id), n.name, n.id.Time(), g.last); err != nil {
			return err
		}
	}
	return nil
}

// removedAnswer is what became of a submission that was removed, as its status says it from then on.
func removedAnswer() string {
	outcome := fhir.Outcome(fhir.NewError(fhir.CodeDeleted, "", "The submission has settled, and what was kept of it is removed: "+
		"the time for which it is kept is over").Issues)
	answers, err := json.Marshal([]referral.Answer{{Status: http.StatusGone, Outcome: outcome}})
	if err != nil {
		panic("postgres: an answer has nothing that cannot be encoded: " + err.Error())
	}
	return string(answers)
}
