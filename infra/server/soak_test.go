package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Long runs say: make soak DURATION=8h
var (
	soak = flag.Duration("soak", 0, "how long TestSoak does harm; 0: four times")
	seed = flag.Uint64("seed", 1, "gives the order and the lengths of TestSoak's harms; 0: another one each time")
)

// soaked is a server under load, and the one source of chance of what is done to it.
type soaked struct {
	*child
	addresses [3]string
	chance    *rand.Rand
}

// harms are what TestSoak does.
var harms = []struct {
	name string
	do   func(t *testing.T, s *soaked)
}{
	{"the server is killed", func(t *testing.T, s *soaked) {
		s.kill(t)
		s.child = launch(t, s.dir, s.addresses)
	}},
	{"PostgreSQL is killed", func(t *testing.T, s *soaked) { killPostgres(t, s.dir) }},
	{"a backend is killed", func(t *testing.T, s *soaked) {
		if all := s.backends(t); len(all) > 0 {
			sendSignal(t, syscall.SIGKILL, all[s.chance.IntN(len(all)):][:1]) // PostgreSQL ends all others
		}
	}},
	{"sessions are ended", func(t *testing.T, s *soaked) { sendSignal(t, syscall.SIGTERM, s.backends(t)) }},
	{"the server stands still", func(t *testing.T, s *soaked) {
		sendSignal(t, syscall.SIGSTOP, []int{s.Process.Pid})
		s.pause()
		sendSignal(t, syscall.SIGCONT, []int{s.Process.Pid})
	}},
	{"PostgreSQL stands still", func(t *testing.T, s *soaked) {
		all := s.backends(t)
		sendSignal(t, syscall.SIGSTOP, all)
		s.pause()
		sendSignal(t, syscall.SIGCONT, all)
	}},
	{"a table is locked", func(t *testing.T, s *soaked) {
		s.query(t, "referral", fmt.Sprintf(`begin; lock table submission in access exclusive mode; select pg_sleep(%f); commit`, s.length()))
	}},
	{"the store refuses connections", func(t *testing.T, s *soaked) {
		s.query(t, "postgres", `alter database referral allow_connections false`)
		sendSignal(t, syscall.SIGTERM, s.backends(t))
		s.pause()
		s.query(t, "postgres", `alter database referral allow_connections true`)
	}},
	{"the store is read-only", func(t *testing.T, s *soaked) {
		s.query(t, "postgres", `alter database referral set default_transaction_read_only = on`)
		sendSignal(t, syscall.SIGTERM, s.backends(t))
		s.pause()
		s.query(t, "postgres", `alter database referral reset default_transaction_read_only`)
		sendSignal(t, syscall.SIGTERM, s.backends(t))
	}},
}

// TestSoak does harm in an order and for lengths of time that chance gives, while senders post: whatever was accepted has
// settled, and nothing that was posted has settled twice.
func TestSoak(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-seed %d does the same again", *seed)
	addresses := ports(t)
	s := &soaked{child: launch(t, dataDir(t), addresses), addresses: addresses, chance: rand.New(rand.NewPCG(*seed, 0))}
	var order []int
	end := time.Now().Add(*soak)
	more := func(round int) bool { return round < 4 || time.Now().Before(end) }
	l := underLoad(t, s.client, more, func(int) {
		if len(order) == 0 { // each as often as the others
			order = s.chance.Perm(len(harms))
		}
		harm := harms[order[0]]
		order = order[1:]
		t.Log(harm.name)
		harm.do(t, s)
		s.await(t, "/health/ready")
	})
	l.checkSettledOnce(t, s.client, connect(t, s.dir, "referral", `set statement_timeout = '1min'`))
}

// length is how long a harm lasts, in seconds.
func (s *soaked) length() float64 { return 2 * s.chance.Float64() }

func (s *soaked) pause() { time.Sleep(time.Duration(s.length() * float64(time.Second))) }

// query runs sql in a database of the server's PostgreSQL, as soon as that takes it.
func (s *soaked) query(t *testing.T, database, sql string) {
	t.Helper()
	s.ask(t, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), sql)
		return err
	})
}

// backends are the processes of PostgreSQL that serve the server's sessions, of queue and store.
func (s *soaked) backends(t *testing.T) (pids []int) {
	t.Helper()
	s.ask(t, "postgres", func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`)
		if err == nil {
			pids, err = pgx.CollectRows(rows, pgx.RowTo[int])
		}
		return err
	})
	return pids
}

// ask does what with a new connection, as soon as that succeeds.
func (s *soaked) ask(t *testing.T, database string, what func(*pgx.Conn) error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.ConnectConfig(t.Context(), configOf(t, s.dir, database))
		if err == nil {
			err = errors.Join(what(conn), conn.Close(context.WithoutCancel(t.Context())))
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func sendSignal(t *testing.T, sig syscall.Signal, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have ended meanwhile
			t.Fatal(err)
		}
	}
}
