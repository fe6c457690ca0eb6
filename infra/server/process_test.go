package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
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

	"github.com/jackc/pgx/v5"
)

// child is the server as a process of its own.
type child struct {
	*exec.Cmd
	client
	output *transcript
	dir    string
}

// transcript is what a process prints, to be read while it runs.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *transcript) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts the server on dir and waits until it is ready.
func launch(t *testing.T, dir string, ports [3]string) *child {
	t.Helper()
	c := launchEarly(t, dir, ports)
	c.await(t, "/health/ready")
	return c
}

// launchEarly starts the server on dir and waits until it serves, with its store or without.
func launchEarly(t *testing.T, dir string, ports [3]string) *child {
	t.Helper()
	c := &child{Cmd: exec.CommandContext(t.Context(), os.Args[0]), output: &transcript{}, dir: dir}
	c.Env = append(os.Environ(), "REFERRAL_TEST_CHILD=server", "REFERRAL_DATA_DIR="+dir, "REFERRAL_LOG_LEVEL=error",
		"REFERRAL_MESSAGE_TIMEOUT=1s", // what a kill had in hand comes back after six times this
		"REFERRAL_ADDR="+ports[0], "REFERRAL_OPS_ADDR="+ports[1], "REFERRAL_SQS_ADDR="+ports[2])
	c.Stdout, c.Stderr = c.output, c.output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		// Its PostgreSQL learns of that, and writes until it has ended.
		for deadline := time.Now().Add(10 * time.Second); len(usersOf(t, dir)) > 0 && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	})
	c.client = client{"http://" + ports[0], "dev-sender"}
	c.await(t, "/health/live")
	return c
}

// await waits until path is answered with 200.
func (c *child) await(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if a, err := c.do("GET", path, nil); err == nil && a.status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was not 200 within a minute:\n%s", path, c.output)
		}
	}
}

// ports are free addresses on loopback.
func ports(t *testing.T) (p [3]string) {
	t.Helper()
	s := &server{}
	for i := range p {
		listener, err := s.listen("", "127.0.0.1:0", onLoopback)
		if err != nil {
			t.Fatal(err)
		}
		p[i] = listener.Addr().String()
	}
	s.stop()
	return p
}

// TestInterruptStopsEverything starts the server on an empty directory, sends SIGINT, as Ctrl-C does, and starts it again
// on the same data.
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

// TestRestartWithoutStore restarts the server while the store's database refuses connections: referrals are accepted,
// and settle when it is back.
func TestRestartWithoutStore(t *testing.T) {
	dir, addresses := dataDir(t), ports(t)
	c := launch(t, dir, addresses)
	connect(t, dir, "postgres", `alter database referral allow_connections false`)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	c = launchEarly(t, dir, addresses)
	urls := make([]string, 3)
	for i := range urls {
		urls[i] = c.submit(t, numbered(t, i))
	}
	if a := c.get(t, urls[0]); a.status != http.StatusAccepted {
		t.Errorf("without its store the status URL says %d, want 202", a.status)
	}
	if a := c.get(t, "/health/ready"); a.status != http.StatusServiceUnavailable || !bytes.Contains(a.body, []byte(`"store":"unavailable"`)) {
		t.Errorf("without its store /health/ready says %d %s, want 503 and the store", a.status, a.body)
	}
	for deadline := time.Now().Add(2 * storePatience); !strings.Contains(c.output.String(), "The store is not there yet"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server did not print where everything is without its store:\n%s", c.output)
		}
	}
	connect(t, dir, "postgres", `alter database referral allow_connections true`)
	c.await(t, "/health/ready")
	for _, url := range urls {
		if got := c.follow(t, url, 30*time.Second).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
			t.Errorf("%s ended with %s, want 200", url, got)
		}
	}
}

// TestStopWaitsForNobody stops the server while a lock holds up a settlement, and while a request that does not end is
// being sent to each of its ports.
func TestStopWaitsForNobody(t *testing.T) {
	dir, addresses := dataDir(t), ports(t)
	c := launch(t, dir, addresses)
	lock := connect(t, dir, "referral", `begin; lock table submission in access exclusive mode`)
	c.submit(t, example(t, "cardiology-referral"))
	for _, address := range addresses {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST /fhir HTTP/1.1\r\nHost: %s\r\nX-Api-Key: dev-sender\r\n"+
			"X-Amz-Target: AmazonSQS.SendMessage\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000\r\n\r\n{", address); err != nil {
			t.Fatal(err)
		}
	}
	var waiting bool // the settlement, for the lock
	for deadline := time.Now().Add(20 * time.Second); !waiting; time.Sleep(20 * time.Millisecond) {
		if err := lock.QueryRow(t.Context(), `select exists (select from pg_locks where not granted)`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing waits for the lock")
		}
	}
	start := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the server ended with %v, want exit 0:\n%s", err, c.output)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("stopping took %v, want at most 8 s", took)
	}
	if pids := usersOf(t, dir); len(pids) > 0 {
		t.Errorf("processes %v still use the data directory", pids)
	}
}

// connect opens a connection to a database of the server on dir and runs sql there.
func connect(t *testing.T, dir, database, sql string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), configOf(t, dir, database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	return conn
}

// configOf is how to connect to a database of the server on dir.
func configOf(t *testing.T, dir, database string) *pgx.ConnConfig {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	_, storeURL, _ := strings.Cut(string(content), "DATABASE_URL='")
	storeURL, _, _ = strings.Cut(storeURL, "'")
	config, err := pgx.ParseConfig(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	config.Database = database
	return config
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
