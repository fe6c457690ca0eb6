package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// rehearsed is a server as a process of its own, and what it is used by.
type rehearsed struct {
	log   string // file
	store *pgx.ConnConfig
}

// rehearse builds and starts the server, and sets the variables with which referralctl uses it.
func rehearse(t *testing.T) *rehearsed {
	t.Helper()
	settings(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../server").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := &rehearsed{log: filepath.Join(dir, "log")}
	log, err := os.Create(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	data := filepath.Join(dir, "data")
	pgtest.Prepare(t, filepath.Join(data, "postgres"))
	server := exec.Command(binary)
	server.Stderr = log
	server.Env = append(os.Environ(), "REFERRAL_DATA_DIR="+data, "REFERRAL_ADDR="+port(t), "REFERRAL_OPS_ADDR="+port(t), "REFERRAL_SQS_ADDR="+port(t))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	var env []byte
	until(t, "the server runs", func() bool {
		env, err = os.ReadFile(filepath.Join(data, "env"))
		return err == nil && len(env) > 0
	})
	variables, err := parseVariables(string(env))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	if r.store, err = pgx.ParseConfig(variables["DATABASE_URL"]); err != nil {
		t.Fatal(err)
	}
	r.ready(t)
	return r
}

// port is a free address on loopback.
func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// until waits until something is so, a minute at most.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (r *rehearsed) ready(t *testing.T) {
	t.Helper()
	until(t, "the server is ready", func() bool {
		answer, err := http.Get(os.Getenv("REFERRAL_BASE_URL") + "/health/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// sql runs statements in a database of the server's cluster, each alone, and returns the first value of the last.
func (r *rehearsed) sql(t *testing.T, database string, statements ...string) (value string) {
	t.Helper()
	config := r.store.Copy()
	config.Database = database
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, statement := range statements {
		rows, err := conn.Query(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		values, err := pgx.CollectRows(rows, pgx.RowTo[*string])
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if len(values) > 0 && values[0] != nil {
			value = *values[0]
		}
	}
	return value
}

// TestRehearseRestore goes back to a backup: what settled since is missing, and reconcile finds all of it and nothing
// else. What was large is in object storage and is sent again from there; the rest its senders send again. Then
// everything has settled, once. make rehearse-restore shows what it says.
func TestRehearseRestore(t *testing.T) {
	r := rehearse(t)
	folder := func(name string, seed, count int, more ...string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), name)
		args := append([]string{"generate", "--count", fmt.Sprint(count), "--seed", fmt.Sprint(seed), "--out", dir}, more...)
		referralctl(t, "", args...).want(t, 0, "", "")
		return dir
	}
	submit := func(dir string, count int) {
		t.Helper()
		referralctl(t, "", "submit", dir).want(t, 0, fmt.Sprintf("%d Bundles: %d accepted, %d completed", count, count, count), "")
	}
	before, since := folder("before", 1, 6), folder("since", 2, 4)
	large, during := folder("large", 3, 2, "--attachment", "2MB"), folder("during", 4, 3)

	submit(before, 6)
	const hidden = `select pg_terminate_backend(pid)::text from pg_stat_activity where datname = 'referral'`
	r.sql(t, "postgres", `alter database referral allow_connections false`, hidden, `create database backup template referral`,
		`alter database referral allow_connections true`)
	r.ready(t)
	submit(since, 4)
	submit(large, 2)

	r.sql(t, "postgres", `drop database referral with (force)`)
	referralctl(t, "", "submit", "--no-follow", during).want(t, 0, "3 Bundles: 3 accepted", "") // and wait in the queue
	r.sql(t, "postgres", `create database referral template backup`)
	r.ready(t)
	until(t, "the queue is empty", func() bool {
		return r.sql(t, "referral", `select count(*)::text from submission`) == "9"
	})

	look := func(more ...string) result {
		t.Helper()
		got := referralctl(t, "", append([]string{"reconcile", r.log, "--grace", "0s"}, more...)...)
		t.Logf("$ referralctl reconcile log --grace 0s %s\n%s", strings.Join(more, " "), got.out)
		return got
	}
	look().want(t, exitFailed, "15 accepted: 9 completed, 0 rejected, 0 cancelled, 0 quarantined, 0 on their way, 6 missing.\n2 in object storage", "")
	var found reconciled
	if out := referralctl(t, "", "--json", "reconcile", "--grace", "0s", r.log).out; json.Unmarshal([]byte(out), &found) != nil || len(found.Missing) != 6 {
		t.Fatalf("got %s, want what is missing", out)
	}
	look("--repair", "--reason", "INC-7").want(t, exitFailed, "2 were sent again, 0 are left to be", "")
	submit(since, 4) // as their senders do
	until(t, "all has settled", func() bool { return r.sql(t, "referral", `select count(*)::text from submission`) == "15" })
	look().want(t, 0, "15 accepted: 15 completed, 0 rejected, 0 cancelled, 0 quarantined, 0 on their way, 0 missing.", "")
	for _, a := range found.Missing {
		referralctl(t, "", "status", a.ID).want(t, 0, "completed", "")
	}
	if got := r.sql(t, "referral", `select concat_ws(' ', count(*), count(distinct id)) from resource where type = 'ServiceRequest'`); got != "15 15" {
		t.Errorf("got %s referrals, want 15, each once", got)
	}
}
