package localpg_test

import (
	"bufio"
	"os"
	"os/exec"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localpg"
)

func TestKilledParentLeavesNoServerBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the parent said %q, %v", line, err)
	}
	if !inUse(t, dir) {
		t.Fatal("the server does not run; the rest would prove nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"

	// The old server is still shutting down: Start waits for it.
	next := start(t, localpg.Config{Dir: dir})
	if got := query(t, next, "select word from kept"); got != "before" {
		t.Errorf("got %q, want the committed row", got)
	}
	next.Stop()
	if inUse(t, dir) {
		t.Error("a process of the cluster is still there")
	}
}
