package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// child is the server as a process of its own.
type child struct {
	*exec.Cmd
	client
	output *bytes.Buffer
	dir    string
}

// launch starts the server on dir and waits until it is ready.
func launch(t *testing.T, dir string, ports [3]string) *child {
	t.Helper()
	c := &child{Cmd: exec.CommandContext(t.Context(), os.Args[0]), output: &bytes.Buffer{}, dir: dir}
	c.Env = append(os.Environ(), "REFERRAL_TEST_CHILD=1", "REFERRAL_DATA_DIR="+dir, "REFERRAL_LOG_LEVEL=error",
		"REFERRAL_MESSAGE_TIMEOUT=1s", // what a kill had in hand comes back after six times this

		"REFERRAL_ADDR="+ports[0], "REFERRAL_OPS_ADDR="+ports[1], "REFERRAL_SQS_ADDR="+ports[2])
	c.Stdout, c.Stderr = c.output, c.output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	c.client = client{"http://" + ports[0], "dev-sender"}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if a, err := c.do("GET", "/health/ready", nil); err == nil && a.status == http.StatusOK {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready within a minute:\n%s", c.output)
		}
	}
}

// ports are free addresses on loopback.
func ports(t *testing.T) (p [3]string) {
	t.Helper()
	s := &server{}
	for i := range p {
		listener, err := s.listen("", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p[i] = listener.Addr().String()
	}
	s.stop()
	return p
}

// TestKillLosesNothingAccepted kills the server with SIGKILL while senders post, starts it again, and follows every
// 202 to its end.
func TestKillLosesNothingAccepted(t *testing.T) {
	dir, addresses := t.TempDir(), ports(t)
	var mu sync.Mutex
	accepted := map[string]bool{} // status URLs; guarded by mu
	number := 0                   // guarded by mu
	for range 3 {
		c := launch(t, dir, addresses)
		var senders sync.WaitGroup
		killed := make(chan struct{})
		for range 4 {
			senders.Go(func() {
				for {
					select {
					case <-killed:
						return
					default:
					}
					mu.Lock()
					number++
					body := numbered(t, number)
					mu.Unlock()
					if a, err := c.do("POST", "/fhir", body); err == nil && a.status == http.StatusAccepted {
						mu.Lock()
						accepted[a.header.Get("Content-Location")] = true
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Second) // the load that the kill interrupts
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		close(killed)
		senders.Wait()
		c.Wait()
	}
	c := launch(t, dir, addresses)
	for url := range accepted {
		if got := c.follow(t, url, 90*time.Second).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
			t.Errorf("%s ended with %s, want 200", url, got)
		}
	}
	if len(accepted) < 20 {
		t.Errorf("only %d were accepted; the test has tested little", len(accepted))
	}
	t.Logf("%d accepted over 3 kills, %d posted, 0 lost", len(accepted), number)
}

// TestInterruptStopsEverything sends SIGINT, as Ctrl-C does, and starts the server again on the same data.
func TestInterruptStopsEverything(t *testing.T) {
	dir, addresses := t.TempDir(), ports(t)
	c := launch(t, dir, addresses)
	url := c.submit(t, example(t, "cardiology-referral"))
	c.follow(t, url, 20*time.Second)
	start := time.Now()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the server ended with %v, want exit 0:\n%s", err, c.output)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("stopping took %v, want at most 10 s", took)
	}
	if pids := usersOf(t, dir); len(pids) > 0 {
		t.Errorf("processes %v still use the data directory", pids)
	}
	c = launch(t, dir, addresses)
	c.follow(t, url, time.Second)
}

// usersOf returns the processes, other than this one, whose command line or working directory names dir.
func usersOf(t *testing.T, dir string) (pids []string) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		if filepath.Base(process) == strconv.Itoa(os.Getpid()) {
			continue
		}
		cwd, _ := os.Readlink(process + "/cwd") // gone meanwhile, or a kernel thread
		cmdline, _ := os.ReadFile(process + "/cmdline")
		if strings.HasPrefix(cwd, dir) || bytes.Contains(cmdline, []byte(dir)) {
			pids = append(pids, filepath.Base(process))
		}
	}
	return pids
}
