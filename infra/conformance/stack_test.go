package conformance

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// modes are the ways in which the server settles, and what each write is sent with, so that its answer is that of a
// synchronous server.
var modes = []struct{ name, prefer string }{
	{"queue", "wait=20"},
	{"direct", ""},
}

// build builds the server and returns the program.
func build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../server").CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, output)
	}
	return program
}

// launch starts the server on data of its own until the test ends, and returns its base URL, without /fhir, when it is
// ready.
func launch(t testing.TB, program, mode string) string {
	t.Helper()
	dir := t.TempDir()
	var output bytes.Buffer
	c := exec.Command(program)
	c.Env = append(os.Environ(), "REFERRAL_DATA_DIR="+dir, "REFERRAL_LOG_LEVEL=warn", "REFERRAL_ADDR=127.0.0.1:0",
		"REFERRAL_OPS_ADDR=127.0.0.1:0", "REFERRAL_SQS_ADDR=127.0.0.1:0")
	if mode == "direct" {
		c.Env = append(c.Env, "REFERRAL_QUEUE=direct")
	}
	c.Stderr = &output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		select {
		case err := <-ended:
			t.Errorf("the server ended early: %v\n%s", err, output.String())
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
		if t.Failed() && output.Len() > 0 {
			t.Logf("the %s server said:\n%s", mode, output.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if len(ended) > 0 {
			break
		}
		base, ok := published(dir)
		if !ok {
			continue
		}
		if response, err := http.Get(base + "/health/ready"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return base
			}
		}
	}
	t.Fatalf("the %s server was not ready within a minute", mode)
	return ""
}

// published returns the base URL that a running server has written down in its data directory.
func published(dir string) (string, bool) {
	content, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		return "", false
	}
	_, base, _ := strings.Cut(string(content), "REFERRAL_BASE_URL='")
	base, _, ok := strings.Cut(base, "'")
	return base, ok
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
