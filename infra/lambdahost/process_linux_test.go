package lambdahost_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

// TestProcessesEndWithTheirHost kills a host with SIGKILL.
func TestProcessesEndWithTheirHost(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"LAMBDAHOST_TEST=host"}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := bufio.NewReader(output).ReadString('\n')
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if err != nil {
		t.Fatalf("got no process id: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); isRunning(strings.TrimSpace(pid)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %s lives on", strings.TrimSpace(pid))
		}
	}
}

// isRunning tells whether a process is there and no zombie that waits for whoever inherited it.
func isRunning(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// TestBootstrapKilledWhileSettling locks the store so that processor waits, kills it, and delivers again.
func TestBootstrapKilledWhileSettling(t *testing.T) {
	s := newStack(t)
	ingest, process := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 10*time.Second)
	submit(t, lambdahost.HTTP(ingest), example(t, "one"))
	event := events.SQSEvent{Records: s.received(t, 1)}

	conn, err := pgx.Connect(t.Context(), s.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `lock table resource`); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { _, err := process.HandleSQS(context.Background(), event); failed <- err }()
	for s.count(t, `select count(*) from pg_locks where not granted and relation = 'resource'::regclass`) == 0 {
		time.Sleep(5 * time.Millisecond) // until it waits for the lock
	}
	if err := syscall.Kill(childOf(t, bootstrapOf(t, "processor")), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := errorType(<-failed); got != "Runtime.ExitError" {
		t.Errorf("got %s of the killed invocation, want Runtime.ExitError", got)
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	response, err := process.HandleSQS(t.Context(), event)
	if err != nil || len(response.BatchItemFailures) > 0 {
		t.Errorf("got %+v, error %v of the next invocation; want it settled", response, err)
	}
	if got := s.count(t, `select count(*) from submission where state = 'completed'`); got != 1 {
		t.Errorf("got %d submissions, want 1", got)
	}
}

// childOf is the process that runs program.
func childOf(t testing.TB, program string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == program {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no process runs %s", program)
	return 0
}
