package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCorpus sends every case of testdata/corpus to the running server, with its functions in the process and as Lambda
// runs them. Whatever it is sent, the server calls nobody.
func TestCorpus(t *testing.T) {
	rows := corpus(t)
	for _, h := range hosts(t) {
		t.Run(h.name, func(t *testing.T) {
			trap := newTrap(t)
			p := launch(t, append(h.variables, "HTTP_PROXY="+trap.url, "HTTPS_PROXY="+trap.url)...)
			c := corpusRun{process: p, rows: rows, lambda: h.name == "lambda", trap: trap.url, queues: queuesOf(t, p)}
			t.Run("refused", c.refusals)
			t.Run("accepted", c.acceptances)
			t.Run("headers", c.headers)
			trap.check(t)
		})
	}
}

type corpusRun struct {
	process
	rows   []row
	lambda bool // the functions run as Lambda runs them
	trap   string
	queues queues
}

// refusals sends what must be refused, one after the other, and looks at what is queued and stored: nothing.
func (c corpusRun) refusals(t *testing.T) {
	for _, r := range c.rows {
		for _, h := range r.cases {
			if h.status < http.StatusBadRequest || h.only && c.lambda {
				continue
			}
			t.Run(h.name, func(t *testing.T) {
				before := c.queues.count(t)
				c.replay(t, h)
				if !c.lambda { // all that a request costs is this process's
					c.checkCost(t, h)
				}
				if after := c.queues.count(t); after != before {
					t.Errorf("%s: got %d messages and submissions more, want none", r.title, after-before)
				}
			})
		}
	}
}

// acceptances sends what must be accepted, waits until it has settled, and reads it back: the same bytes.
func (c corpusRun) acceptances(t *testing.T) {
	for _, r := range c.rows {
		for _, h := range r.cases {
			if h.status >= http.StatusBadRequest {
				continue
			}
			t.Run(h.name, func(t *testing.T) {
				if h.request.Method != http.MethodGet { // what reads comes before all that writes
					t.Parallel()
				}
				a := c.replay(t, h)
				if a.status != http.StatusAccepted {
					return
				}
				id := a.header.Get("Content-Location")
				original := c.read(t, h, "/referrals/"+id[strings.LastIndex(id, "/")+1:]+"/bundle")
				want := c.fill(h.request.Content)
				if h.request.Content == nil {
					want = c.fill(h.request.Body)
				}
				if original.status != http.StatusOK || !bytes.Equal(original.body, want) {
					t.Errorf("%s: got %d and %d bytes, want the %d that were sent", r.title, original.status, len(original.body), len(want))
				}
			})
		}
	}
}

// read reads target as who sent h, as soon as that has settled.
func (c corpusRun) read(t *testing.T, h hostile, target string) answer {
	t.Helper()
	s := stack{base: c.base}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // as a client polls
		a, err := s.send(t.Context(), http.MethodGet, target, [][2]string{{"X-Api-Key", h.request.Header.Get("X-Api-Key")}}, "")
		if err != nil {
			t.Fatal(err)
		}
		if a.status != http.StatusAccepted || time.Now().After(deadline) {
			return a
		}
	}
}

// replay sends h twice, checks that both answers are as wanted and the same, and returns the second.
func (c corpusRun) replay(t *testing.T, h hostile) (a answer) {
	t.Helper()
	var before string
	for range 2 {
		a = c.send(t, h)
		if failures := h.check(a); len(failures) > 0 {
			t.Fatalf("%s\nanswer: %d %v %.2000s", strings.Join(failures, "\n"), a.status, a.header, a.body)
		}
		now := varying.ReplaceAllString(string(a.body), "{id}")
		if before != "" && now != before {
			t.Errorf("the second answer is another than the first:\n%s\n%s", before, now)
		}
		before = now
	}
	return a
}

// varying are the ids and times in answers to one request sent twice.
var varying = regexp.MustCompile(`\b[a-z2-7]{58}\b|\b[0-9a-f]{24}\b|\d{4}-\d\d-\d\dT[0-9:.]+Z|urn:uuid:[0-9a-f-]{36}`)

// check returns where a is not as h wants or not as every answer is.
func (h hostile) check(a answer) (failures []string) {
	fail := func(format string, args ...any) { failures = append(failures, fmt.Sprintf(format, args...)) }
	if a.status != h.status {
		fail("got status %d, want %d", a.status, h.status)
	}
	failures = append(failures, always(a)...)
	if len(a.body) > 32<<10 && a.status >= http.StatusBadRequest {
		fail("got an outcome of %d bytes, want at most 32 KiB", len(a.body))
	}
	if strings.Contains(strings.ToLower(string(a.body)), "zqx") && a.status >= http.StatusBadRequest {
		fail("the answer repeats what was sent")
	}
	if h.code == "" {
		return failures
	}
	var outcome struct {
		Issue []struct {
			Severity, Code string
			Expression     []string
		}
	}
	if err := json.Unmarshal(a.body, &outcome); err != nil || len(outcome.Issue) == 0 {
		return append(failures, "the answer has no issue")
	}
	if len(outcome.Issue) > 51 { // 50, and one that tells how many more
		fail("got %d issues, want at most 50", len(outcome.Issue))
	}
	first := outcome.Issue[0]
	if first.Code != h.code || first.Severity != "error" {
		fail("got the code %s (%s), want %s", first.Code, first.Severity, h.code)
	}
	if h.expression != "" && (len(first.Expression) == 0 || !strings.HasPrefix(first.Expression[0], h.expression)) {
		fail("got the expression %v, want one that begins with %s", first.Expression, h.expression)
	}
	return failures
}

// send sends h as it is written, which net/http's client would not.
func (c corpusRun) send(t testing.TB, h hostile) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = conn.Write(c.bytes(h)) // the server may answer before it has read all
		if h.short {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	defer func() { conn.Close(); <-sent }()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: h.request.Method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// fill puts the addresses of server and trap where a body has {base} and {trap}.
func (c corpusRun) fill(body []byte) []byte {
	body = bytes.ReplaceAll(body, []byte("{trap}"), []byte(c.trap))
	return bytes.ReplaceAll(body, []byte("{base}"), []byte(c.base))
}

// bytes is the request.
func (c corpusRun) bytes(h hostile) []byte {
	body := c.fill(h.request.Body)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: referrals.example\r\nConnection: close\r\n", h.request.Method, h.request.Target)
	for name, values := range h.request.Header {
		for _, value := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	if h.request.Header.Get("Content-Length") == "" && h.request.Header.Get("Transfer-Encoding") == "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
