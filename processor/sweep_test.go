package processor_test

import (
	"context"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// All cases: go test ./processor -run TestSweep -sweep 1 -v
var sweep = flag.Int("sweep", 25, "TestSweep tries every so manieth message between a processor and PostgreSQL")

// sabotage makes the k-th message, from 1 on, go wrong; seen is how many there have been.
type sabotage func(p *pgproxy.Proxy, k int64, seen *atomic.Int64)

var sabotages = map[string]sabotage{
	"the answer is lost": func(p *pgproxy.Proxy, k int64, seen *atomic.Int64) {
		p.Cut(func(byte, []byte) bool { return seen.Add(1) == k })
	},
	"the request is lost": func(p *pgproxy.Proxy, k int64, seen *atomic.Int64) {
		p.CutRequests(func(byte) bool { return seen.Add(1) == k })
	},
	"the statement fails": func(p *pgproxy.Proxy, k int64, seen *atomic.Int64) {
		p.Rewrite(func(sql string) string {
			if seen.Add(1) == k {
				return `no statement`
			}
			return sql
		})
	},
	"the answer does not come": func(p *pgproxy.Proxy, k int64, seen *atomic.Int64) {
		p.Cut(func(byte, []byte) bool {
			if seen.Add(1) == k {
				time.Sleep(patience + 50*time.Millisecond)
				return true
			}
			return false
		})
	},
}

// patience is how long a processor waits for all answers.
const patience = 400 * time.Millisecond

// TestSweep breaks each message between a processor and PostgreSQL in each way, one at a time, from the first of a new
// connection to the last of the commit, while it settles what only creates, what depends on what is there, and a
// document. What it then says has settled has; delivered again it has settled exactly once and whole, whatever was said.
func TestSweep(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "p"), "")))
	id := idOf(created[0])
	document := referralBody(t, "discharge-document")
	cases, number := 0, 0
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	look := func(m *queue.Message) (settled, audits, resources int) {
		t.Helper()
		digest := f.keys.Digest(m.Request)
		if err := conn.QueryRow(t.Context(), `select (select count(*) from submission where d = $1 and state = 'completed'),
				(select count(*) from audit where action = 'C' and entity = 'submission/' || encode($1, 'hex')), (select count(*) from resource where d = $1)`,
			digest[:]).Scan(&settled, &audits, &resources); err != nil {
			t.Fatal(err)
		}
		return settled, audits, resources
	}
	for payload, message := range map[string]func(n int) *queue.Message{
		"creations": func(n int) *queue.Message {
			return f.transaction(n, "transaction", entry("POST", "Patient", "", patient("", fmt.Sprint("new", n)), ""), entry("POST", "Observation", "", observation("Patient/"+id), ""))
		},
		"conditions": func(n int) *queue.Message {
			return f.transaction(n, "transaction", entry("POST", "Patient", "", patient("", fmt.Sprint("if", n)), fmt.Sprintf(`,"ifNoneExist":"identifier=urn:x|if%d"`, n)),
				entry("POST", "Observation", "", observation("Patient?identifier=urn:x|p"), ""))
		},
		"a document": func(n int) *queue.Message { return f.message(referral.KeyHeader, fmt.Sprint("document", n), document) },
	} {
		number++
		first := message(1000 + number)
		if state, err := f.Settle(t.Context(), first, 1); err != nil || state != referral.Completed {
			t.Fatalf("%s: got %q, %v", payload, state, err)
		}
		_, _, whole := look(first)
		for way, sabotage := range sabotages {
			for k := int64(1); ; k += int64(*sweep) {
				number++
				m := message(1000 + number)
				var seen atomic.Int64
				state, err := f.settleBroken(t, m, func(p *pgproxy.Proxy) { sabotage(p, k, &seen) })
				where := fmt.Sprintf("%s, %s, message %d", payload, way, k)
				if settled, _, _ := look(m); err == nil && settled != 1 {
					t.Errorf("%s: said %s, and has not settled", where, state)
				}
				if state, err := f.Settle(t.Context(), m, 2); err != nil || state != referral.Completed && state != processor.Known {
					t.Errorf("%s, delivered again: got %q, %v", where, state, err)
				}
				if settled, audits, resources := look(m); settled != 1 || audits != 1 || resources != whole || whole == 0 {
					t.Errorf("%s: settled %d times, with %d records and %d resources of %d", where, settled, audits, resources, whole)
				}
				cases++
				if seen.Load() < k { // there are no more messages
					break
				}
			}
		}
	}
	t.Logf("%d cases", cases)
	if least := 400 / *sweep / 2; cases < least {
		t.Errorf("got %d cases, want %d", cases, least)
	}
}

// settleBroken settles m once by a processor of its own, whose connection to the store breaks.
func (f *fixture) settleBroken(t *testing.T, m *queue.Message, breakIt func(*pgproxy.Proxy)) (referral.State, error) {
	t.Helper()
	proxy, db := f.proxied(t)
	defer func() {
		db.Close()
		_ = proxy.Close() // its connections may be cut already
	}()
	breakIt(proxy)
	p := processor.New(processor.Config{Store: db, Keys: f.keys, Schemas: schemas.New(schemas.Config{}), ItemTimeout: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Settle(ctx, m, 1)
}
