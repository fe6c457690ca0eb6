package main

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// broken has a query for each promise about what is stored; it finds what breaks it.
var broken = map[string]string{
	"a submission without its one record in the audit": `
		select encode(s.d, 'hex') from submission s
		left join (select a.org, a.entity, count(*) as n from audit a where a.action = 'C' group by a.org, a.entity) a
			on a.org = s.org and a.entity = 'submission/' || encode(s.d, 'hex')
		where a.n is distinct from 1`,
	"a submission that names what is not there": `
		select encode(s.d, 'hex') || ' ' || v.name from submission s cross join unnest(s.resources) v(name)
		where not exists (select from resource r where r.id = split_part(v.name, '/', 2)::uuid and r.version >= split_part(v.name, '/', 4)::int)
			and not exists (select from history h where h.id = split_part(v.name, '/', 2)::uuid)`,
	"a resource of a submission that has not completed": `
		select r.type || '/' || r.id from resource r
		where not exists (select from submission s where s.org = r.org and s.d = r.d and s.state = 'completed')`,
	"a referral with a part missing": `
		select encode(s.d, 'hex') from submission s
		left join (select r.org, r.d, count(*) as n from resource r group by r.org, r.d) r on r.org = s.org and r.d = s.d
		where s.state = 'completed' and cardinality(s.resources) is distinct from r.n`,
	"a reference that leads nowhere": `
		select r.type || '/' || r.id || ' ' || m.target[1]
		from resource r cross join regexp_matches(r.content, '"reference":"[A-Za-z]+/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"', 'g') m(target)
		where not exists (select from resource t where t.id = m.target[1]::uuid)`,
	"a resource that no list and no search leads to": `
		select r.type || '/' || r.id from resource r where not exists (select from idx i where i.vid = r.vid >> 10 << 10)`,
	"a settled submission that is in no list": `
		select encode(s.d, 'hex') from submission s where not exists (select from listing l where l.org = s.org and l.settled_at = s.settled_at and l.d = s.d)`,
}

// checkInvariants holds all of broken, and that every body is kept as it was received.
func checkInvariants(t *testing.T, store *pgx.Conn) {
	t.Helper()
	for what, query := range broken {
		rows, err := store.Query(t.Context(), query+" limit 5")
		if err != nil {
			t.Fatal(err)
		}
		if found, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", what, found, err)
		}
	}
	rows, err := store.Query(t.Context(), `select content, sha256 from submission`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var content, sum []byte
		if err := rows.Scan(&content, &sum); err != nil {
			t.Fatal(err)
		}
		if body, err := queue.Unpack(content); err != nil || sha256.Sum256(body) != [32]byte(sum) {
			t.Errorf("a body of %d bytes is not the one that was received: %v", len(content), err)
		}
	}
	if err := rows.Err(); err != nil || n == 0 {
		t.Errorf("got %d bodies, %v", n, err)
	}
}

// TestInvariantsAreSeenBroken is the control: each damage to a store is found.
func TestInvariantsAreSeenBroken(t *testing.T) {
	dir, addresses := dataDir(t), ports(t)
	c := launch(t, dir, addresses)
	c.follow(t, c.submit(t, numbered(t, 1)), time.Minute)
	store := connect(t, dir, "referral", `set session_replication_role = replica`) // no trigger keeps the audit from it
	checkInvariants(t, store)
	for what, damage := range map[string]string{
		"a submission without its one record in the audit":  `delete from audit where action = 'C'`,
		"a submission that names what is not there":         `update submission set resources = array_append(resources, 'Patient/0199a000-0000-7000-8000-00000000dead/_history/1')`,
		"a resource of a submission that has not completed": `update submission set state = 'rejected'`,
		"a referral with a part missing":                    `delete from resource where type = 'Task'`,
		"a reference that leads nowhere":                    `delete from resource where type = 'Patient'`,
		"a resource that no list and no search leads to":    `delete from idx`,
		"a settled submission that is in no list":           `delete from listing`,
	} {
		tx, err := store.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), damage); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var found int
		if err := tx.QueryRow(t.Context(), `select count(*) from (`+broken[what]+`) x`).Scan(&found); err != nil || found == 0 {
			t.Errorf("%s: %s is not seen, %v", what, damage, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(broken) != 7 {
		t.Errorf("%d promises, and a damage of 7", len(broken))
	}
}
