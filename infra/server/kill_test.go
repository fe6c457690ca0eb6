package main

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Long runs say: go test ./infra/server -run TestKillLosesNothingAccepted -kills 40 -each 500 -v
var (
	kills = flag.Int("kills", 2, "how often TestKillLosesNothingAccepted kills the server and its PostgreSQL, and TestChaos a processor and PostgreSQL, in turn")
	pace  = flag.Int("each", 50, "how many submissions are accepted between two kills")
)

// ledger is what senders have posted, each body once, and what was accepted of it.
type ledger struct {
	mu       sync.Mutex
	posted   int      // guarded by mu
	accepted []string // status URLs; guarded by mu
}

func (l *ledger) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posted++
	return l.posted
}

func (l *ledger) accept(url string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted = append(l.accepted, url)
}

// count is how many were accepted so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted)
}

// any is one that was accepted, of the last hundred mostly; empty: none was yet.
func (l *ledger) any() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.accepted) == 0 {
		return ""
	}
	from := l.accepted
	if rand.IntN(4) > 0 {
		from = from[max(0, len(from)-100):]
	}
	return from[rand.IntN(len(from))]
}

// send posts referrals one after the other, whatever becomes of the server, until stop is closed: each again until it is
// accepted, as a client has to.
func (l *ledger) send(t *testing.T, c client, stop <-chan struct{}) {
	for body := numbered(t, l.next()); ; {
		a, err := c.do("POST", "/fhir", body)
		if err == nil && a.status == http.StatusAccepted {
			l.accept(a.header.Get("Content-Location"))
			body = numbered(t, l.next())
		}
		pause := time.Duration(0)
		if err != nil || a.status != http.StatusAccepted {
			pause = 10 * time.Millisecond // as a client does whose server is away
		}
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// underLoad lets eight senders post to the server at c while harm is called once for every round that more wants, each time
// when another fifty are accepted. Beside each sender goes one of each of besides, until stop is closed.
func underLoad(t *testing.T, c client, more func(round int) bool, harm func(round int), besides ...func(l *ledger, c client, stop <-chan struct{})) *ledger {
	t.Helper()
	l, stop := &ledger{}, make(chan struct{})
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() { l.send(t, c, stop) })
		for _, beside := range besides {
			senders.Go(func() { beside(l, c, stop) })
		}
	}
	defer senders.Wait()
	defer close(stop)
	for round := 0; more(round); round++ {
		want := l.count() + *pace
		for deadline := time.Now().Add(time.Minute); l.count() < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: fewer than %d were accepted within a minute", round, *pace)
			}
		}
		harm(round)
		t.Logf("round %d: harmed after %d accepted", round, want)
	}
	return l
}

// times is for underLoad: so many rounds.
func times(n int) func(round int) bool { return func(round int) bool { return round < n } }

// TestKillLosesNothingAccepted kills the server and its PostgreSQL in turn with SIGKILL while senders post: whatever was
// accepted has settled, and nothing that was posted has settled twice.
func TestKillLosesNothingAccepted(t *testing.T) {
	dir, addresses := dataDir(t), ports(t)
	c := launch(t, dir, addresses)
	l := underLoad(t, c.client, times(*kills), func(round int) {
		if round%2 == 1 {
			killPostgres(t, dir)
			c.await(t, "/health/ready")
			return
		}
		c.kill(t)
		c = launch(t, dir, addresses)
	})
	l.checkSettledOnce(t, c.client, connect(t, c.dir, "referral", `set statement_timeout = '1min'`))
}

// kill ends the server as a power cut would, and returns when it is gone.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
}

// checkSettledOnce follows every 202 to its end at the server c, and holds what is in its store against what was posted.
func (l *ledger) checkSettledOnce(t *testing.T, c client, store *pgx.Conn) {
	t.Helper()
	for _, url := range l.accepted {
		if got := c.follow(t, url, 90*time.Second).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
			t.Errorf("%s ended with %s, want 200", url, got)
		}
	}
	// What was posted without an answer may have settled, too; nothing twice.
	var settled, patients, distinct int
	if err := store.QueryRow(t.Context(), `select (select count(*) from submission), count(*),
			count(distinct substring(content from '"language":"(en-\d+)"')) from resource where type = 'Patient'`).
		Scan(&settled, &patients, &distinct); err != nil {
		t.Fatal(err)
	}
	if settled < len(l.accepted) || settled > l.posted || patients != settled || distinct != settled {
		t.Errorf("%d submissions settled as %d patients, %d of them distinct; want the same number of each, from %d accepted to %d posted",
			settled, patients, distinct, len(l.accepted), l.posted)
	}
	checkInvariants(t, store)
	t.Logf("%d posted, %d accepted, %d settled", l.posted, len(l.accepted), settled)
}

// TestKillLosesWithoutFlush is the control of the test above: a PostgreSQL that answers before a commit is on disk loses
// what was accepted. Of the queue's database alone that would not do: the store's commits flush what is before them.
func TestKillLosesWithoutFlush(t *testing.T) {
	dir, addresses := dataDir(t), ports(t)
	c := launch(t, dir, addresses)
	// Nor may anything else write what a commit left in memory before the kill.
	for _, setting := range []string{`synchronous_commit = off`, `wal_writer_delay = '10s'`, `wal_writer_flush_after = '1GB'`, `bgwriter_lru_maxpages = 0`} {
		connect(t, dir, "postgres", `alter system set `+setting)
	}
	killPostgres(t, dir) // the next one obeys
	c.await(t, "/health/ready")
	for range 10 {
		var writer int
		if err := connect(t, dir, "postgres", ``).QueryRow(t.Context(), `select pid from pg_stat_activity where backend_type = 'walwriter'`).Scan(&writer); err != nil {
			t.Fatal(err)
		}
		sendSignal(t, syscall.SIGSTOP, []int{writer}) // each commit wakes it
		l := underLoad(t, c.client, times(1), func(int) {
			sendSignal(t, syscall.SIGKILL, []int{writer}) // stopped it would keep the next one from starting
			killPostgres(t, dir)
		})
		c.await(t, "/health/ready")
		queue, waiting := connect(t, dir, "queue", `set statement_timeout = '1min'`), -1
		for deadline := time.Now().Add(time.Minute); waiting != 0; time.Sleep(20 * time.Millisecond) {
			if err := queue.QueryRow(t.Context(), `select count(*) from sqs.message`).Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d messages were not settled within a minute", waiting)
			}
		}
		lost := 0
		for _, url := range l.accepted {
			if c.get(t, url).status != http.StatusOK {
				lost++
			}
		}
		if lost > 0 {
			t.Logf("lost %d of %d accepted, as expected", lost, len(l.accepted))
			return
		}
	}
	t.Error("nothing was lost without flushing: the test above would see no loss, either")
}

// killPostgres kills the postmaster of the server on dir and returns when another one has taken its place.
func killPostgres(t *testing.T, dir string) {
	t.Helper()
	postmaster := func() int {
		content, err := os.ReadFile(filepath.Join(dir, "postgres", "data", "postmaster.pid"))
		if err != nil {
			return 0
		}
		first, _, _ := strings.Cut(string(content), "\n")
		pid, err := strconv.Atoi(first)
		if err != nil {
			return 0
		}
		return pid
	}
	killed := postmaster()
	if killed == 0 {
		t.Fatal("no postmaster.pid")
	}
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if pid := postmaster(); pid != 0 && pid != killed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no other postmaster within a minute")
		}
	}
}
