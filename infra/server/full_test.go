//go:build chaos && linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	outage = flag.Duration("outage", 3*time.Minute, "how long TestOutage has no store")
	many   = flag.Int("many", 100_000, "how many submissions TestManyLeaveNothing makes")
)

// TestDiskFull fills a real disk for a while, which needs root: that of the store's tables, and that of all of PostgreSQL
// with its log and the queue. What was accepted has settled once there is room again.
func TestDiskFull(t *testing.T) {
	t.Run("of the store's tables", func(t *testing.T) {
		disk := newDisk(t, "128m")
		w := newWorksite(t, 3*time.Second)
		var process syscall.Stat_t
		if err := errors.Join(syscall.Stat(fmt.Sprintf("/proc/%d", w.pg.PID()), &process), os.Chown(disk, int(process.Uid), -1)); err != nil {
			t.Fatal(err)
		}
		w.admin(t, fmt.Sprintf(`create tablespace small location '%s'`, disk))
		w.admin(t, `alter database referral set tablespace small`)
		if got := w.fill(t, disk); got != "53100" {
			t.Errorf("a statement failed with %q, want 53100", got)
		}
	})
	disk := newDisk(t, "320m")
	t.Run("of PostgreSQL", func(t *testing.T) {
		t.Setenv("TMPDIR", disk)
		newWorksite(t, 3*time.Second).fill(t, disk)
	})
}

// newDisk mounts a disk of that size in memory.
func newDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=777,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for parent := dir; parent != filepath.Dir(parent); parent = filepath.Dir(parent) { // the server's account has to get there
		if info, err := os.Stat(parent); err != nil || info.Mode().Perm()&1 == 0 {
			if err := errors.Join(err, os.Chmod(parent, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fill leaves no byte of disk free for three seconds under load, and returns what the store then says to a write.
func (w *worksite) fill(t *testing.T, disk string) (sqlState string) {
	t.Helper()
	w.work(t)
	store := w.store(t)
	if _, err := store.Exec(t.Context(), `create table ballast (x text)`); err != nil {
		t.Fatal(err)
	}
	l := underLoad(t, w.client, times(1), func(int) {
		filler := filepath.Join(disk, "filler")
		defer os.Remove(filler)
		if err := os.WriteFile(filler, make([]byte, 512<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v, want a full disk", err)
		}
		for end := time.Now().Add(time.Minute); sqlState == ""; {
			_, err := store.Exec(t.Context(), `insert into ballast select repeat('x', 1000) from generate_series(1, 2000)`)
			if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
				sqlState = pg.Code
			} else if err != nil {
				sqlState = "no answer"
			}
			if time.Now().After(end) {
				t.Fatal("nothing failed on a full disk")
			}
		}
		t.Logf("full: %s", sqlState)
		time.Sleep(3 * time.Second)
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), w.pg.URL("referral"))
		if err == nil {
			_ = conn.Close(t.Context()) // it has answered
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	l.checkSettledOnce(t, w.client, w.store(t))
	return sqlState
}

// admin runs sql beside the store.
func (w *worksite) admin(t *testing.T, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestOutage takes the store away for three minutes: referrals are accepted as before, in the same time, none becomes a dead
// letter, and all settle without anybody's doing once it is back.
func TestOutage(t *testing.T) {
	w := newWorksite(t, 3*time.Second)
	w.work(t)
	l := &ledger{}
	post := func(during time.Duration) time.Duration {
		var took []time.Duration
		for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			start := time.Now()
			l.accept(w.submit(t, numbered(t, l.next())))
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	before := post(*outage / 6)
	w.admin(t, `alter database referral allow_connections false`)
	w.admin(t, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'referral'`)
	during := post(*outage)
	waiting := w.waiting(t, w.queue.url)
	w.admin(t, `alter database referral allow_connections true`)
	back := time.Now()
	for w.waiting(t, w.queue.url) > 0 {
		if time.Since(back) > 2**outage { // a message's back-off is up to as long as it has been failing
			t.Fatalf("%d messages remain", w.waiting(t, w.queue.url))
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("POST took %v before and %v during %v without the store; %d waited, and had settled %v after it was back", before, during, *outage, waiting, time.Since(back))
	l.checkSettledOnce(t, w.client, w.store(t))
	if during > before+before/10+time.Millisecond {
		t.Errorf("POST took %v without the store, want the %v of before", during, before)
	}
	if got := w.waiting(t, w.queue.deadLetterURL); got != 0 {
		t.Errorf("got %d dead letters", got)
	}
}

// TestManyLeaveNothing: after many submissions the server has the heap, the goroutines and the connections that it had after a
// tenth of them.
func TestManyLeaveNothing(t *testing.T) {
	s := started(t)
	c := client{s.base.String(), "dev-sender"}
	var posted atomic.Int64
	load := func(until int) {
		var senders sync.WaitGroup
		for range 16 {
			senders.Go(func() {
				for n := posted.Add(1); n <= int64(until); n = posted.Add(1) {
					if a, err := c.do("POST", "/fhir/Patient", patient(fmt.Sprint(n))); err != nil || a.status != http.StatusAccepted {
						t.Errorf("got %d, %v", a.status, err)
					}
				}
			})
		}
		senders.Wait()
		posted.Store(int64(until))
		for deadline := time.Now().Add(10 * time.Minute); count(t, s, `select count(*) from submission`) < until; time.Sleep(time.Second) {
			if time.Now().After(deadline) {
				t.Fatal("not all have settled")
			}
		}
	}
	type left struct {
		heap                    uint64
		goroutines, connections int
	}
	look := func() (l left) {
		http.DefaultClient.CloseIdleConnections()
		time.Sleep(2 * time.Second) // for what ends by itself
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return left{m.HeapAlloc, runtime.NumGoroutine(), count(t, s, `select count(*) from pg_stat_activity where backend_type = 'client backend'`)}
	}
	load(*many / 10)
	first := look()
	load(*many)
	last := look()
	t.Logf("after %d: %+v, after %d: %+v", *many/10, first, *many, last)
	if last.heap > first.heap+first.heap/20+1<<20 || last.goroutines > first.goroutines+5 || last.connections > first.connections+2 {
		t.Errorf("got %+v, want no more than %+v", last, first)
	}
}
