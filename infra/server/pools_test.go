package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// TestPoolsLargerThanTheServer: the server does not start with more connections than its PostgreSQL allows, and says
// what to change.
func TestPoolsLargerThanTheServer(t *testing.T) {
	vars := map[string]string{
		"REFERRAL_ADDR": "127.0.0.1:0", "REFERRAL_OPS_ADDR": "127.0.0.1:0", "REFERRAL_SQS_ADDR": "127.0.0.1:0",
		"REFERRAL_DATA_DIR": t.TempDir(), "REFERRAL_STORE_CONNECTIONS": "40", "REFERRAL_QUEUE_CONNECTIONS": "16",
	}
	v := envtest.Settings(vars)
	s, err := start(t.Context(), readSettings(v), slog.New(slog.DiscardHandler))
	if err == nil {
		s.stop()
		t.Fatal("the server started")
	}
	for _, want := range []string{
		"99 connections", "40 REFERRAL_STORE_CONNECTIONS for query", "40 REFERRAL_STORE_CONNECTIONS for processor",
		"16 REFERRAL_QUEUE_CONNECTIONS", "97 (max_connections 100, 3 of them reserved)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

// TestPoolsOfALateStore: a store that is away when the server starts is asked when it comes.
func TestPoolsOfALateStore(t *testing.T) {
	owner := started(t)
	for _, sql := range []string{`create database late allow_connections false`, `create database queue2`} {
		admin(t, owner, sql)
	}
	s := startedEarly(t, "DATABASE_URL", owner.pg.URL("late"), "REFERRAL_QUEUE_DATABASE_URL", owner.pg.URL("queue2"),
		"REFERRAL_STORE_CONNECTIONS", "60")
	admin(t, owner, `alter database late allow_connections true`)
	select {
	case err := <-s.failed:
		if want := "131 connections"; !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	case <-s.settling:
		t.Error("the server settles with more connections than there are")
	case <-time.After(20 * time.Second):
		t.Fatal("the server goes on")
	}
}

// TestPools: what the pools may come to, with the functions in the process and as bootstraps.
func TestPools(t *testing.T) {
	for dir, want := range map[string]int{"": 8 + 4 + 4 + 2 + 1, "build": 8 + 4 + 3*(3+2+3) + 2} {
		s := &server{settings: settings{storeConns: 4, queueConns: 8, workers: 3, lambdaDir: dir}}
		got := 0
		for _, p := range s.pools(postgres.Config{URL: "store"}, "queue") {
			got += p.size
		}
		if got != want {
			t.Errorf("with bootstraps in %q: got %d connections, want %d", dir, got, want)
		}
	}
}
