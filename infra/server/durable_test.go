package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestNotDurableIsRefused: a server with clients of its own neither accepts nor settles what its PostgreSQL may lose, whether
// that is there when the server starts or comes later; with the development clients it warns. The control is the same
// PostgreSQL before that.
func TestNotDurableIsRefused(t *testing.T) {
	pg := pgtest.Cluster(t)
	conn, err := pgx.Connect(t.Context(), pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var told bytes.Buffer
	strict := &server{settings: settings{clients: "clients.json"}, log: slog.New(slog.DiscardHandler)}
	lenient := &server{settings: settings{clients: principal.DevelopmentClients}, log: slog.New(slog.NewTextHandler(&told, nil))}
	for _, s := range []*server{strict, lenient} {
		if err := s.checkDurable(t.Context(), postgres.Config{URL: pg.URL("referral")}); err != nil || told.Len() > 0 {
			t.Errorf("of a durable store: got %v, %s", err, &told)
		}
	}
	for _, sql := range []string{`alter database referral set synchronous_commit = off`, `alter system set fsync = off`, `select pg_reload_conf()`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	const want = "switch on fsync, synchronous_commit"
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until it has reloaded
		if err = strict.checkDurable(t.Context(), postgres.Config{URL: pg.URL("referral")}); err != nil && strings.Contains(err.Error(), want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want %q", err, want)
		}
	}
	if err := lenient.checkDurable(t.Context(), postgres.Config{URL: pg.URL("referral")}); err != nil || !strings.Contains(told.String(), "[fsync synchronous_commit]") {
		t.Errorf("with the development clients: got %v, %s; want a warning", err, &told)
	}
	vars := map[string]string{
		"REFERRAL_ADDR": "127.0.0.1:0", "REFERRAL_OPS_ADDR": "127.0.0.1:0", "REFERRAL_SQS_ADDR": "127.0.0.1:0", "REFERRAL_DATA_DIR": t.TempDir(),
		"REFERRAL_CLIENTS": registryWith(t, principal.Client{Org: "8003621566684455", Name: "own"}), "DATABASE_URL": pg.URL("referral"), "REFERRAL_QUEUE_DATABASE_URL": pg.URL("queue"),
	}
	read := func(name string) (string, bool) { value, ok := vars[name]; return value, ok }
	s, err := start(t.Context(), readSettings(env.Read(read)), slog.New(slog.DiscardHandler))
	if err == nil {
		s.stop()
	}
	if err == nil || !strings.Contains(err.Error(), "switch on fsync") {
		t.Errorf("with a queue that is not durable the server starts: %v", err)
	}
	vars["REFERRAL_QUEUE"], vars["REFERRAL_QUEUE_DATABASE_URL"] = queueDirect, ""
	if s, err = start(t.Context(), readSettings(env.Read(read)), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	select {
	case err := <-s.failed:
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	case <-s.settling:
		t.Error("the server settles in a store that is not durable")
	case <-time.After(20 * time.Second):
		t.Fatal("the server goes on")
	}
}
