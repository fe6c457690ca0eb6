//go:build chaos && linux

package main

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

var previous = flag.String("previous", "62ebc00897bb186b5adbafe590eac8ac72350677", "the commit whose functions TestBothReleases runs beside those of today: one before the newest migration, 00012")

// TestBothReleases runs the functions of a release before the newest migration beside those of today, over one store,
// which has that migration, and one queue. Every referral is posted to both: it is one submission to both of them, whichever
// processor gets either of its messages settles it, once, and both tell and read the same of it.
func TestBothReleases(t *testing.T) {
	dir := previousBootstraps(t)
	s := started(t)
	store := s.pg.URL("referral")
	start := func(name string) *lambdahost.Function {
		f, err := lambdahost.Start(t.Context(), lambdahost.Config{
			Bootstrap: filepath.Join(dir, name, "bootstrap"), Env: append(s.environment(), "REFERRAL_LOG_LEVEL=warn"), Concurrency: 2, Log: s.log, Output: t.Output(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Close)
		return f
	}
	mux := http.NewServeMux()
	mux.Handle("POST /", lambdahost.HTTP(start("ingest")))
	mux.Handle("GET /", lambdahost.HTTP(start("query")))
	front := httptest.NewServer(mux)
	defer front.Close()
	settle := start("processor")
	var delivered atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		if err := eventsource.Run(ctx, eventsource.Config{
			Client: s.queue.client, QueueURL: s.queue.url, Concurrency: 2, Log: s.log,
			Handler: func(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
				delivered.Add(int64(len(event.Records)))
				return settle.HandleSQS(ctx, event)
			},
		}); err != nil {
			t.Error(err)
		}
	})

	today, before := client{s.base.String(), "dev-sender"}, client{front.URL, "dev-sender"}
	l := &ledger{}
	var old []string // the status URLs of the release before
	const referrals = 300
	for range referrals {
		body := numbered(t, l.next())
		l.accept(today.submit(t, body))
		old = append(old, before.submit(t, body))
	}
	for _, url := range old {
		if got := today.follow(t, url, time.Minute).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
			t.Errorf("%s ended with %s, want 200", url, got)
		}
	}
	for i, url := range l.accepted {
		path := strings.TrimPrefix(url, s.base.String())
		if a, b := today.get(t, path), before.get(t, path); a.status != http.StatusOK || b.status != http.StatusOK || string(a.body) != string(b.body) {
			t.Errorf("referral %d: today's release says %d %s, the one before %d %s", i, a.status, a.body, b.status, b.body)
		}
	}
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	l.checkSettledOnce(t, today, conn)
	n := delivered.Load()
	t.Logf("%d of %d messages were delivered to the release before", n, 2*referrals)
	if n == 0 || n >= 2*referrals {
		t.Error("one of the releases got no message")
	}
}

// previousBootstraps builds the functions of -previous from what git has of it.
func previousBootstraps(t *testing.T) (dir string) {
	t.Helper()
	run := func(name string, args ...string) string {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	source, archive := t.TempDir(), filepath.Join(t.TempDir(), "source.tar")
	run("git", "-C", root, "archive", "-o", archive, *previous)
	run("tar", "-xf", archive, "-C", source)
	dir = filepath.Join(source, "build")
	run("make", "-s", "-C", source, "lambda", "BIN="+dir, "LAMBDA_OS="+runtime.GOOS, "LAMBDA_ARCH="+runtime.GOARCH)
	t.Logf("the release before is %s", run("git", "log", "-1", "--format=%h %s", *previous))
	return dir
}
