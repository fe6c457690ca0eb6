package conformance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// modes are the ways in which the server settles, and what each write is sent with, so that its answer is that of a
// synchronous server.
var modes = []struct {
	name, prefer string
	variables    []string // NAME=value
}{
	{"queue", "wait=20", nil},
	{"direct", "", []string{"REFERRAL_QUEUE=direct"}},
}

// programs builds the commands and functions when the first test asks for one, and gives the folder they are in.
// TestMain sets it, since a testing.M hands nothing on to the tests it runs.
var programs func() (dir string, err error)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = sync.OnceValues(func() (string, error) { return dir, buildAll(dir) })
	status := pgtest.Run(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// buildAll builds the server, referralctl and the functions as make does, but all for this machine.
func buildAll(dir string) error {
	cmd := exec.Command("make", "-s", "-C", filepath.Join("..", ".."), "build", "lambda", "BIN="+dir, "LAMBDA_OS="+runtime.GOOS, "LAMBDA_ARCH="+runtime.GOARCH)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make build lambda: %w\n%s", err, output)
	}
	return nil
}

// built returns the path of a program, or the folder of functions for "".
func built(t testing.TB, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// host is a way to run the functions.
type host struct {
	name      string
	variables []string // NAME=value
}

// hosts are all of them: in the server's process, and as Lambda runs them.
func hosts(t testing.TB) []host {
	t.Helper()
	return []host{{"server", nil}, {"lambda", []string{"REFERRAL_LAMBDA_DIR=" + built(t, "")}}}
}

// process is a running server.
type process struct {
	base string // its address as a URL, without /fhir
	dir  string // its data
	log  string // the file with what it writes to standard output and standard error
	stop func() // ends it and what it started; the test's end does that, too
}

// launch starts the server on data of its own until the test ends, with variables, each NAME=value, and returns when it
// is ready.
func launch(t testing.TB, variables ...string) process {
	t.Helper()
	dir := t.TempDir()
	pgtest.Prepare(t, filepath.Join(dir, "postgres"))
	p := process{dir: dir, log: filepath.Join(t.TempDir(), "log")}
	output, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	c := exec.Command(built(t, "server"))
	c.Env = append(os.Environ(), "REFERRAL_DATA_DIR="+dir, "REFERRAL_LOG_LEVEL=warn", "REFERRAL_ADDR=127.0.0.1:0",
		"REFERRAL_OPS_ADDR=127.0.0.1:0", "REFERRAL_SQS_ADDR=127.0.0.1:0")
	c.Env = append(c.Env, variables...)
	c.Stdout, c.Stderr = output, output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	p.stop = sync.OnceFunc(func() { end(t, c, ended) })
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the server said:\n%s", p.said(t))
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(ended) > 0 {
			break
		}
		address, ok := p.published("REFERRAL_ADDR")
		if !ok {
			continue
		}
		p.base = "http://" + address
		if response, err := http.Get(p.base + "/health/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return p
			}
		}
	}
	t.Fatal("the server was not ready within a minute")
	return p
}

// end ends the server, which must be running still.
func end(t testing.TB, c *exec.Cmd, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		t.Errorf("the server ended early: %v", err)
		return
	default:
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the server ended with %v, want exit 0", err)
		}
	case <-time.After(time.Minute):
		c.Process.Kill()
		t.Error("the server did not stop within a minute")
	}
}

// said returns what the server has written to standard output and standard error.
func (p process) said(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// published returns a variable that the running server has written down for others in its data directory.
func (p process) published(name string) (string, bool) {
	content, err := os.ReadFile(filepath.Join(p.dir, "env"))
	if err != nil {
		return "", false
	}
	_, rest, _ := strings.Cut("\n"+string(content), "\n"+name+"='")
	value, _, ok := strings.Cut(rest, "'")
	return value, ok
}

// stack is a running server, and what is known of the bodies it sends.
type stack struct {
	base   string // without /fhir
	prefer string // sent with each write
	bodies *bodies
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request of a step whose placeholders are filled.
func (s stack) send(ctx context.Context, method, target string, header [][2]string, body string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.base+target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("X-Api-Key", "dev-sender")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	waits := s.prefer != "" && method != http.MethodGet && method != http.MethodHead
	for _, h := range header {
		if h[0] == "Prefer" {
			waits = waits && h[1] != "respond-async" && !strings.HasPrefix(h[1], "wait=")
			r.Header.Add(h[0], h[1])
		} else {
			r.Header.Set(h[0], h[1])
		}
	}
	if waits {
		r.Header.Add("Prefer", s.prefer)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(response.Body); err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return answer{response.StatusCode, response.Header, content.Bytes()}, nil
}
