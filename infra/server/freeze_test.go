//go:build chaos && linux

package main

import (
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

var frozen = flag.Duration("frozen", time.Minute, "how long TestFreeze stops the server, and the backends of PostgreSQL")

// TestFreeze stops the server with its processors, and then all backends of PostgreSQL, under load for a minute each, as a
// machine that is suspended does: sessions that time out meanwhile are replaced, and whatever was accepted has settled once.
func TestFreeze(t *testing.T) {
	addresses := ports(t)
	s := &soaked{child: launch(t, dataDir(t), addresses), addresses: addresses, chance: rand.New(rand.NewPCG(*seed, 0))}
	l := underLoad(t, s.client, times(2), func(round int) {
		pids := []int{s.Process.Pid}
		if round == 1 {
			pids = s.backends(t)
		}
		sendSignal(t, syscall.SIGSTOP, pids)
		time.Sleep(*frozen)
		sendSignal(t, syscall.SIGCONT, pids)
		thawed := time.Now()
		s.await(t, "/health/ready")
		t.Logf("ready %v after the thaw", time.Since(thawed))
	})
	l.checkSettledOnce(t, s.client, connect(t, s.dir, "referral", `set statement_timeout = '1min'`))
}
