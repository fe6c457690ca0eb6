package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// awaiting is a call of Await that goes on.
type awaiting struct {
	done  chan struct{}
	found bool
	at    time.Time
}

// await waits for what s is the settlement of. Its own patience is no test's measure.
func await(t testing.TB, db *postgres.DB, s *postgres.Settlement) *awaiting {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	a := &awaiting{done: make(chan struct{})}
	go func() {
		defer cancel()
		defer close(a.done)
		got, found, err := db.Await(ctx, s.Org, s.Digest)
		a.at, a.found = time.Now(), found
		if err != nil || found && (got.Digest != s.Digest || got.State != s.State) {
			t.Errorf("got %v of %x, error %v", got.State, got.Digest, err)
		}
	}()
	t.Cleanup(func() { cancel(); <-a.done })
	return a
}

// want fails the test unless a ends within some seconds, with the settlement; it returns when that was.
func (a *awaiting) want(t testing.TB) time.Time {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(10 * time.Second):
		t.Fatal("who waited was not told within 10 s")
	}
	if !a.found {
		t.Error("the wait ended without the settlement")
	}
	return a.at
}

// listeners are the backends of connections that listen, or are about to.
const listeners = `from pg_stat_activity where datname = current_database() and application_name like '% listening'`

// listening tells whether there is one connection that listens, and has shown that it is alive.
const listening = `select count(*) = 1 and count(*) filter (where state = 'idle' and query = '-- ping') = 1 ` + listeners

// eventually waits until query, of one boolean, is true.
func eventually(t testing.TB, url, query string) {
	t.Helper()
	conn := connect(t, url)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var is bool
		if err := conn.QueryRow(t.Context(), query).Scan(&is); err != nil {
			t.Fatal(err)
		}
		if is {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 10 s still not: %s", query)
		}
	}
}

// awaited is a settlement that is told of.
func awaited(t testing.TB, n int) *postgres.Settlement {
	t.Helper()
	s := submission(t, sender, n)
	s.Awaited = true
	return s
}

// TestAwaitIsTold: with a connection that listens, nobody looks until it is told to; then it has it at once.
func TestAwaitIsTold(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	db.NeverLook()
	other, mine := await(t, db, awaited(t, 1)), await(t, db, awaited(t, 2))
	eventually(t, url, listening)
	s := awaited(t, 2)
	store(t, writer, s)
	if took := time.Until(mine.want(t)); took > time.Second {
		t.Errorf("told after %v", took)
	}
	execute(t, url, `select pg_notify('settled', $1)`, "8003629900040359 01020304050607080910111213141516")
	select {
	case <-other.done:
		t.Error("who waits for another submission has not waited any longer")
	default:
	}
	store(t, writer, awaited(t, 1))
	other.want(t)
}

// TestAwaitMissesNothing: whenever a submission settles while the connection is made, who waits is told.
func TestAwaitMissesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer := open(t, url, postgres.RoleProcessor)
	for n := range 40 {
		db := open(t, url, postgres.RoleQuery)
		db.NeverLook()
		s := awaited(t, n)
		a := await(t, db, s)
		time.Sleep(time.Duration(n%20) * 500 * time.Microsecond) // 0 to 10 ms, as long as connecting may take
		store(t, writer, s)
		a.want(t)
		db.Close()
	}
}

// TestAwaitOutlivesItsConnection ends the connection that listens while some wait, twice: they are told all the same.
func TestAwaitOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	db.NeverLook()
	for n := range 2 {
		meanwhile, later := await(t, db, awaited(t, 2*n)), await(t, db, awaited(t, 2*n+1))
		eventually(t, url, listening)
		execute(t, url, `select pg_terminate_backend(pid) `+listeners)
		store(t, writer, awaited(t, 2*n))
		meanwhile.want(t)
		eventually(t, url, listening)
		store(t, writer, awaited(t, 2*n+1))
		later.want(t)
	}
}

// TestAwaitWithoutListening: who cannot be told looks.
func TestAwaitWithoutListening(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	for _, warm := range []*postgres.DB{writer, db} {
		if err := warm.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	own := config.Database
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	if _, err := admin.Exec(t.Context(), `alter database `+own+` allow_connections false`); err != nil {
		t.Fatal(err)
	}
	a := await(t, db, awaited(t, 1))
	store(t, writer, awaited(t, 1))
	settled := time.Now()
	if took := a.want(t).Sub(settled); took > time.Second {
		t.Errorf("found after %v, want at most the longest pause between two looks", took)
	}
}

// TestAwaitOfWhatIsNotTold: a settlement that nobody is told of is found by looking, with a connection that listens.
func TestAwaitOfWhatIsNotTold(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	a := await(t, db, submission(t, sender, 1))
	eventually(t, url, listening)
	store(t, writer, submission(t, sender, 1))
	a.want(t)
}

// TestAwaitSettlesForNothingLess: what is quarantined may settle yet.
func TestAwaitSettlesForNothingLess(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	quarantined := awaited(t, 1)
	quarantined.State, quarantined.Resources = referral.Quarantined, nil
	store(t, writer, quarantined)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, found, err := db.Await(ctx, sender, quarantined.Digest); found || err != nil {
		t.Errorf("got %s, error %v, want nothing", got.State, err)
	}
	a := await(t, db, awaited(t, 1))
	store(t, writer, awaited(t, 1))
	a.want(t)
}

// TestAwaitLeavesNothing: 200 wait at the same time on the pool's connections and one, for what settles, what does
// not, and what is another's. Then goroutines and the connection that listens are gone.
func TestAwaitLeavesNothing(t *testing.T) {
	url := pgtest.New(t) // not parallel: it counts goroutines
	writer, db := open(t, url, postgres.RoleProcessor), open(t, url, postgres.RoleQuery)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for n := range 200 {
		waiting.Go(func() {
			s := awaited(t, n)
			switch n % 4 {
			case 0: // never settles
				if _, found, err := db.Await(ctx, sender, s.Digest); found || err != nil {
					t.Errorf("got found %v, error %v of what does not settle", found, err)
				}
			case 1: // of another
				if _, found, err := db.Await(ctx, unrelated, awaited(t, n+1).Digest); found || err != nil {
					t.Errorf("got found %v, error %v of what is another's", found, err)
				}
			default:
				if got, found, err := db.Await(ctx, sender, s.Digest); !found || err != nil || got.Digest != s.Digest {
					t.Errorf("got found %v, error %v of what settles", found, err)
				}
			}
		})
	}
	eventually(t, url, `select count(*) = 1 `+listeners)
	var settlements []*postgres.Settlement
	for n := range 200 {
		if n%4 > 1 {
			settlements = append(settlements, awaited(t, n))
		}
	}
	for len(settlements) > 0 {
		if _, err := writer.Settle(t.Context(), settlements[:10]...); err != nil {
			t.Fatal(err)
		}
		settlements = settlements[10:]
	}
	var connections int
	if err := connect(t, url).QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database()
		and application_name like 'referral_query%'`).Scan(&connections); err != nil {
		t.Fatal(err)
	}
	if connections > 4+1 {
		t.Errorf("got %d connections, want those of the pool and one", connections)
	}
	time.AfterFunc(2*time.Second, cancel) // those of which none settles; the others are done much sooner
	waiting.Wait()
	eventually(t, url, `select count(*) = 0 `+listeners)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		after := runtime.NumGoroutine()
		if after <= before+10 { // the pool's own
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d goroutines, before %d", after, before)
		}
	}
}

// TestAwaitEndsWithItsContext: at once, without an error, also while the store is away.
func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"store": pgtest.New(t), "no store": "postgres://nobody@127.0.0.1:1/none"} {
		db := open(t, url, postgres.RoleQuery)
		for _, patience := range []time.Duration{-1, 0, 50 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			start := time.Now()
			if _, found, err := db.Await(ctx, sender, awaited(t, 1).Digest); found || err != nil {
				t.Errorf("%s, %v: got found %v, error %v", name, patience, found, err)
			}
			if took := time.Since(start) - patience; took > time.Second {
				t.Errorf("%s: the wait went on for %v", name, took)
			}
			cancel()
		}
	}
}

// TestAwaitTellsOfFaults: what waiting does not mend.
func TestAwaitTellsOfFaults(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	execute(t, url, `create policy broken on submission for select to referral_query using (1 / 0 = 1)`)
	_, _, err := open(t, url, postgres.RoleQuery).Await(t.Context(), sender, awaited(t, 1).Digest)
	if e, ok := errors.AsType[*postgres.Error](err); !ok || e.SQLState != "22012" {
		t.Errorf("got %v, want SQLSTATE 22012, division by zero", err)
	}
}

// TestCloseEndsListening: whoever still waits goes on until its context ends.
func TestCloseEndsListening(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleQuery)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if _, found, err := db.Await(ctx, sender, awaited(t, 1).Digest); found || err != nil {
			t.Errorf("got found %v, error %v", found, err)
		}
	}()
	eventually(t, url, listening)
	db.Close()
	eventually(t, url, `select count(*) = 0 `+listeners)
	cancel()
	<-ended
}

// TestAwaitLooksOnceItListens: who joins others that listen looks then, since what settled after its first look and
// before it was told to nobody.
func TestAwaitLooksOnceItListens(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	db := open(t, url, postgres.RoleQuery)
	await(t, db, awaited(t, 1)) // keeps the connection
	for deadline := time.Now().Add(10 * time.Second); !db.LooksWhenItJoins(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("who joins does not look")
		}
	}
}

// TestAwaitAfterSleep: a Lambda function wakes with connections that have died without a word. Those who wait are told
// all the same, the first after the time that it takes to know, the next at once.
func TestAwaitAfterSleep(t *testing.T) {
	t.Parallel()
	for name, dead := range map[string]string{"all": "", "the one that listens": "listening"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			writer := open(t, url, postgres.RoleProcessor)
			way := newSleeper(t, url)
			db := open(t, way.url, postgres.RoleQuery)
			t.Cleanup(way.close) // before the DB, which would wait for the dead to answer
			db.NeverLook()
			first := await(t, db, awaited(t, 1))
			eventually(t, url, listening)
			store(t, writer, awaited(t, 1))
			first.want(t)
			way.sleep(dead) // within the second for which nobody is waited for
			second := await(t, db, awaited(t, 2))
			time.Sleep(100 * time.Millisecond) // it has looked, where it can
			store(t, writer, awaited(t, 2))
			if took := second.want(t).Sub(first.at); took > 8*time.Second {
				t.Errorf("the first who waits after it has %v, want at most those of a look and a connection", took)
			}
			third := await(t, db, awaited(t, 3))
			eventually(t, url, `select count(*) filter (where state = 'idle' and query = '-- ping') > 0 `+listeners)
			store(t, writer, awaited(t, 3))
			third.want(t)
		})
	}
}

// sleeper is between a DB and PostgreSQL.
type sleeper struct {
	url      string // of the database, by way of the sleeper
	listener net.Listener
	relays   sync.WaitGroup

	mu    sync.Mutex
	links []*link // guarded by mu
}

// link is a connection from end to end.
type link struct {
	client, server net.Conn
	startup        []byte // the client's first message
	asleep         atomic.Bool
}

func newSleeper(t testing.TB, database string) *sleeper {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	u.Host = listener.Addr().String()
	s := &sleeper{url: u.String(), listener: listener}
	s.relays.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			s.relays.Go(func() { s.serve(t, client, target) })
		}
	})
	return s
}

// serve relays one connection until it ends.
func (s *sleeper) serve(t testing.TB, client net.Conn, target string) {
	startup := make([]byte, 4<<10)
	n, err := client.Read(startup)
	if err != nil {
		client.Close()
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		t.Error(err)
		client.Close()
		return
	}
	l := &link{client: client, server: server, startup: startup[:n]}
	s.mu.Lock()
	s.links = append(s.links, l)
	s.mu.Unlock()
	if _, err := server.Write(l.startup); err != nil {
		t.Error(err)
	}
	s.relays.Go(func() { l.relay(server, client) })
	l.relay(client, server)
}

// sleep swallows from now on, in both directions, what is sent on the connections whose startup message contains text.
func (s *sleeper) sleep(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		if bytes.Contains(l.startup, []byte(text)) {
			l.asleep.Store(true)
		}
	}
}

func (s *sleeper) close() {
	s.listener.Close()
	s.mu.Lock()
	for _, l := range s.links {
		l.client.Close()
		l.server.Close()
	}
	s.mu.Unlock()
	s.relays.Wait()
}

// relay passes on what src sends while the connection is not asleep, and ends both when src does.
func (l *link) relay(dst, src net.Conn) {
	defer dst.Close()
	defer src.Close()
	for b := make([]byte, 32<<10); ; {
		n, err := src.Read(b)
		if err != nil {
			return
		}
		if l.asleep.Load() {
			continue
		}
		if _, err := dst.Write(b[:n]); err != nil {
			return
		}
	}
}
