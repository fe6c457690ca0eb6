package processor_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/pgproxy"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// behindProxy reaches f's store through a proxy.
func (f *fixture) behindProxy(t *testing.T) *pgproxy.Proxy {
	t.Helper()
	proxy, db := f.proxied(t)
	t.Cleanup(func() {
		db.Close()
		_ = proxy.Close() // its connections may be cut already
	})
	f.Store = db
	return proxy
}

// proxied returns a proxy before f's store, and the store through it.
func (f *fixture) proxied(t *testing.T) (*pgproxy.Proxy, *postgres.DB) {
	t.Helper()
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := pgproxy.Start(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = proxy.Address()
	db, err := postgres.Open(postgres.Config{URL: u.String(), Role: postgres.RoleProcessor, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	return proxy, db
}

// TestRoundTrips: what a settlement asks of PostgreSQL, however many entries it has.
func TestRoundTrips(t *testing.T) {
	f := newFixture(t)
	proxy := f.behindProxy(t)
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "p"), "")))
	id := idOf(created[0])
	entries := func(n int, of func(i int) string) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = of(i)
		}
		return all
	}
	creates := func(int) string {
		return entry("POST", "Observation", "", observation("urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-000000000009"), "")
	}
	for name, test := range map[string]struct {
		entries []string
		want    int64
	}{
		"15 creates": {entries(15, creates), 1},
		"15 creates that refer to what is stored": {entries(15, func(int) string { return entry("POST", "Observation", "", observation("Patient/"+id), "") }), 3},
		"15 entries, an update among them":        {append(entries(14, creates), entry("PUT", "Patient/"+id, "", patient(id, "q"), "")), 3},
		"15 conditional creates and references": {append(entries(14, func(i int) string {
			return entry("POST", "Patient", "", patient("", "c"+strings.Repeat("x", i)), `,"ifNoneExist":"identifier=urn:x|c`+strings.Repeat("x", i)+`"`)
		}), entry("POST", "Observation", "", observation("Patient?identifier=urn:x|c"), "")), 4},
	} {
		t.Run(name, func(t *testing.T) {
			var trips int64
			for again := range 2 { // statements are prepared at first
				m := f.transaction(len(name)*10+again, "transaction", test.entries...)
				before := proxy.Trips()
				if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
					t.Fatalf("got %q, %v", state, err)
				}
				trips = proxy.Trips() - before
			}
			if trips > test.want {
				t.Errorf("got %d round trips, want %d at most", trips, test.want)
			}
		})
	}
}

// TestLostCommitIsNoFailure: the answer to a COMMIT does not arrive. Nothing is reported as settled, nor as failed for
// good, and the next delivery finds it settled, whether the driver says that it was safe to try again or not.
func TestLostCommitIsNoFailure(t *testing.T) {
	for name, committed := range map[string]string{"in one round trip": "Z", "after a look at the store": "CCOMMIT"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			proxy := f.behindProxy(t)
			m := f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "p"), ""))
			if committed != "Z" {
				m = f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "p"), `,"ifNoneExist":"identifier=urn:x|p"`))
			}
			settled := false
			proxy.Cut(func(kind byte, body []byte) bool {
				// The row is counted before the transaction's end: from then on the first end is that of the commit.
				settled = settled || kind == 'D' && bytes.HasSuffix(body, []byte{0, 8, 0, 0, 0, 0, 0, 0, 0, 1})
				return settled && bytes.HasPrefix(append([]byte{kind}, body...), []byte(committed))
			})
			if state, err := f.Settle(t.Context(), m, 1); err == nil {
				t.Fatalf("got %q, want an error", state)
			}
			proxy.Cut(nil)
			if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 1 {
				t.Fatalf("got %d settled submissions behind the lost answer, want 1", got)
			}
			if state, err := f.Settle(t.Context(), m, 2); err != nil || state != "known" {
				t.Errorf("delivered again: got %q, %v, want known", state, err)
			}
			if got := value[int64](t, f, `select count(*) from resource`); got != 1 {
				t.Errorf("got %d resources, want 1", got)
			}
		})
	}
}
