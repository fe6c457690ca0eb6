package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
)

// every says yes to one call of so many.
func every(n int) func(call int) bool { return func(call int) bool { return call%n == 0 } }

// queueFaults are what a queue may do that keeps its promises, and a little more. The first that applies takes effect.
func queueFaults() []localsqs.Fault {
	return []localsqs.Fault{
		{Action: "SendMessage", On: every(5), Copies: 2},                                                                    // F34
		{Action: "SendMessage", On: every(3), Shift: func() time.Duration { return rand.N(4*time.Second) - 2*time.Second }}, // F35
		{Action: "SendMessage", On: every(53), Ending: localsqs.EndError, Code: "ServiceUnavailable"},                       // F37
		{Action: "SendMessage", On: every(59), Ending: localsqs.EndCut, After: true},                                        // F38
		{Action: "SendMessage", On: every(61), WrongMD5: true},                                                              // F39
		{Action: "ReceiveMessage", On: every(29), Ending: localsqs.EndCut, After: true},                                     // F42
		{Action: "ReceiveMessage", On: every(31), WrongMD5: true},                                                           // F39
		{Action: "DeleteMessageBatch", On: every(11), Zombie: true},                                                         // F36
		{Action: "DeleteMessageBatch", On: every(13), Ending: localsqs.EndError, After: true},                               // F51
		{Action: "ChangeMessageVisibility", On: every(2), Ending: localsqs.EndError},                                        // F43
	}
}

// TestChaos kills a processor at a message that chance chooses, and PostgreSQL, in turn, under eight senders, eight readers and
// a queue that duplicates, disorders, revives and fails: whatever was accepted has settled, nothing twice, and no status
// goes back.
func TestChaos(t *testing.T) {
	w := newWorksite(t, 3*time.Second, queueFaults()...)
	chance := rand.New(rand.NewPCG(*seed, 0))
	workers := []*worker{w.work(t), w.work(t)}
	read := &statuses{last: map[string]int{}}
	l := underLoad(t, w.client, times(*kills), func(round int) {
		t.Logf("%d messages wait", w.waiting(t, w.queue.url))
		if round%2 == 1 {
			w.killPostgres(t)
			return
		}
		some := chance.IntN(len(workers))
		n, seen := chance.IntN(100), 0
		workers[some].killAt(func(string) bool { seen++; return seen > n })
		select {
		case <-workers[some].gone:
		case <-time.After(time.Minute):
			t.Fatalf("a worker heard and said fewer than %d messages within a minute", n)
		}
		workers[some] = w.work(t)
	}, read.follow)
	w.drained(t)
	l.checkSettledOnce(t, w.client, w.store(t))
	for _, url := range read.back {
		t.Errorf("%s was settled, and then was not", url)
	}
	t.Logf("%d statuses read", read.reads)
}

// TestMigrationUnderLoad changes the store's tables while referrals settle, holding its locks for a second, as the next
// release's migration may: the processors of this one go on on the new tables. Whatever was accepted has settled once, and
// none became a dead letter.
func TestMigrationUnderLoad(t *testing.T) {
	w := newWorksite(t, 3*time.Second)
	w.work(t)
	store := w.store(t)
	l := underLoad(t, w.client, times(2), func(round int) {
		migration := fmt.Sprintf(`begin; select pg_sleep(0.1);
			alter table submission add column next%[1]d int; alter table resource add column next%[1]d text not null default '';
			create index on resource (next%[1]d); select pg_sleep(1); commit`, round)
		if _, err := store.Exec(t.Context(), migration); err != nil {
			t.Fatal(err)
		}
	})
	l.checkSettledOnce(t, w.client, store)
	if got := w.waiting(t, w.queue.deadLetterURL); got != 0 {
		t.Errorf("got %d dead letters", got)
	}
}

// killPostgres kills the postmaster and returns when another one is there.
func (w *worksite) killPostgres(t *testing.T) {
	t.Helper()
	killed := w.pg.PID()
	sendSignal(t, syscall.SIGKILL, []int{killed})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if pid := w.pg.PID(); pid != 0 && pid != killed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no other postmaster within a minute")
		}
	}
}

// statuses are what readers have seen of submissions.
type statuses struct {
	mu    sync.Mutex
	reads int            // guarded by mu
	last  map[string]int // by status URL; guarded by mu
	back  []string       // those that went back; guarded by mu
}

// saw notes an answer to a GET of a status URL that was sent when before was the last one known of it. What tells nothing of
// the submission is left out.
func (s *statuses) saw(url string, before, status int) {
	if status != http.StatusOK && status != http.StatusAccepted && status != http.StatusNotFound {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if before == http.StatusOK && status != http.StatusOK {
		s.back = append(s.back, url)
	}
	if status == http.StatusOK {
		s.last[url] = status
	}
}

// follow reads the status of what l has accepted, again and again, until stop is closed.
func (s *statuses) follow(l *ledger, c client, stop <-chan struct{}) {
	for {
		url := l.any()
		s.mu.Lock()
		before := s.last[url]
		s.mu.Unlock()
		if url != "" {
			// Without its store a server says that a status cannot be read, which takes nothing back.
			if a, err := c.do("GET", url, nil); err == nil && !strings.Contains(a.header.Get("X-Progress"), "cannot be read") {
				s.saw(url, before, a.status)
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestStatusThatGoesBackIsSeen is the control of the readers.
func TestStatusThatGoesBackIsSeen(t *testing.T) {
	s := &statuses{last: map[string]int{}}
	for _, status := range []int{http.StatusAccepted, http.StatusOK, http.StatusServiceUnavailable, http.StatusOK} {
		s.saw("url", s.last["url"], status)
	}
	if len(s.back) != 0 {
		t.Errorf("got %q of a status that goes forward", s.back)
	}
	for _, status := range []int{http.StatusAccepted, http.StatusNotFound} {
		s.saw("url", s.last["url"], status)
	}
	if len(s.back) != 2 {
		t.Errorf("got %q of a status that went back twice", s.back)
	}
}
