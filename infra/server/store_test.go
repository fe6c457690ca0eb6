package main

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestForeignStoreDown starts a server whose DATABASE_URL nobody answers.
func TestForeignStoreDown(t *testing.T) {
	s := startedEarly(t, "DATABASE_URL", "postgres://nobody@127.0.0.1:1/referral")
	sender := client{s.base.String(), "dev-sender"}
	url := sender.submit(t, example(t, "cardiology-referral"))
	if a := sender.get(t, url); a.status != http.StatusAccepted {
		t.Errorf("without its store the status URL says %d, want 202", a.status)
	}
	if a := sender.get(t, "/health/ready"); a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), `"store":"unavailable"`) {
		t.Errorf("without its store /health/ready says %d %s, want 503 and the store", a.status, a.body)
	}
	select {
	case err := <-s.failed:
		t.Errorf("the server gave up: %v", err)
	default:
	}
}

// TestMigrationThatCannotWorkEndsTheServer gives the server a store in which another's table stands in the way.
func TestMigrationThatCannotWorkEndsTheServer(t *testing.T) {
	owner := started(t)
	for _, name := range []string{"occupied", "queue2"} {
		if err := owner.pg.CreateDatabase(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), owner.pg.URL("occupied"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `create table submission ()`); err != nil {
		t.Fatal(err)
	}
	s := startedEarly(t, "DATABASE_URL", owner.pg.URL("occupied"), "REFERRAL_QUEUE_DATABASE_URL", owner.pg.URL("queue2"))
	select {
	case err := <-s.failed:
		for _, want := range []string{"00001", ".sql", "SQLSTATE 42P07"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want it to name %s", err, want)
			}
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server goes on")
	}
	if a := (client{s.base.String(), "dev-sender"}).get(t, "/health/ready"); a.status != http.StatusServiceUnavailable {
		t.Errorf("/health/ready says %d, want 503", a.status)
	}
}

// TestReferralTravelsThroughBootstraps runs the functions as Lambda does, from bootstraps.
func TestReferralTravelsThroughBootstraps(t *testing.T) {
	s := started(t, "REFERRAL_LAMBDA_DIR", builtBootstraps(t))
	sender := client{s.base.String(), "dev-sender"}
	settled := sender.follow(t, sender.submit(t, example(t, "cardiology-referral")), 20*time.Second)
	if got := settled.Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
		t.Fatalf("got outcome %s %s, want 200", got, settled.Entry[0].Response.Outcome)
	}
	location, _, _ := strings.Cut(settled.Entry[0].Resource.Entry[0].Response.Location, "/_history/")
	if a := sender.get(t, "/fhir/"+location); a.status != http.StatusOK || a.header.Get("ETag") != `W/"1"` {
		t.Errorf("%s: got %d with ETag %q, want 200 and version 1", location, a.status, a.header.Get("ETag"))
	}
	if a := sender.get(t, "/health/ready"); a.status != http.StatusOK {
		t.Errorf("/health/ready says %d %s, want 200", a.status, a.body)
	}
	if a := sender.get(t, "/referrals"); a.status != http.StatusOK || !strings.Contains(string(a.body), `"total":1`) {
		t.Errorf("/referrals says %d %s, want the one that has settled", a.status, a.body)
	}
	behavesSynchronously(t, sender, http.Header{"Prefer": {"wait=20"}})
	if a := sender.send(t, "DELETE", sender.submit(t, numbered(t, 1)), http.Header{}, nil); a.status != http.StatusAccepted && a.status != http.StatusConflict {
		t.Errorf("cancelling says %d %s, want 202, or 409 of what has settled", a.status, a.body)
	}
	for _, path := range []string{"/fhir/$validate", "/fhir/Bundle/$validate"} {
		if a, err := sender.do(http.MethodPost, path, example(t, "cardiology-referral")); err != nil || a.status != http.StatusOK {
			t.Errorf("%s says %d %s, %v, want 200", path, a.status, a.body, err)
		}
	}
}

// bootstraps builds the functions when the first test asks for them and gives the folder they are in. TestMain sets it,
// since a testing.M hands nothing on to the tests it runs.
var bootstraps func() (dir string, err error)

// buildBootstraps builds the functions into dir as make lambda does, but for this machine.
func buildBootstraps(dir string) error {
	cmd := exec.Command("make", "-s", "-C", filepath.Join("..", ".."), "lambda", "BIN="+dir, "LAMBDA_OS="+runtime.GOOS, "LAMBDA_ARCH="+runtime.GOARCH)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make lambda: %w\n%s", err, output)
	}
	return nil
}

func builtBootstraps(t testing.TB) string {
	t.Helper()
	dir, err := bootstraps()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
