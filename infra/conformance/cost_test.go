package conformance

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// What the refusal of one request may cost.
const (
	maxCPU   = 100 * time.Millisecond
	maxBytes = 64 << 20 // allocated, so that no more is in use at any time
)

// checkCost holds that what is refused is refused cheaply. What the server does besides counts as well, and so do clocks
// that tick each 10 ms: the cheapest of some tries tells what a request takes.
func (c corpusRun) checkCost(t *testing.T, h hostile) {
	t.Helper()
	var cpu time.Duration
	var allocated int64
	for range 5 {
		before := c.cost(t)
		c.send(t, h)
		after := c.cost(t)
		if cpu, allocated = after.cpu-before.cpu, after.allocated-before.allocated; cpu <= maxCPU && allocated <= maxBytes {
			return
		}
	}
	t.Errorf("takes %v of CPU and %d MiB, want at most %v and %d", cpu, allocated>>20, maxCPU, maxBytes>>20)
}

// cost is what a process has taken since it started.
type cost struct {
	cpu       time.Duration
	allocated int64 // bytes
}

var (
	metricsURL  = regexp.MustCompile(`http://\S+/metrics`)
	cpuSeconds  = regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`)
	allocations = regexp.MustCompile(`(?m)^go_memstats_alloc_bytes_total (\S+)$`)
)

func (p process) cost(t testing.TB) cost {
	t.Helper()
	text := p.metrics(t)
	number := func(pattern *regexp.Regexp) float64 {
		m := pattern.FindSubmatch(text)
		if m == nil {
			t.Fatalf("the metrics have no %s", pattern)
		}
		n, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return cost{time.Duration(number(cpuSeconds) * float64(time.Second)), int64(number(allocations))}
}

// metrics returns what the server tells of itself, at the address that it has told.
func (p process) metrics(t testing.TB) []byte {
	t.Helper()
	url := metricsURL.Find(p.said(t))
	if url == nil {
		t.Fatal("the server has not said where its metrics are")
	}
	response, err := http.Get(string(url))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %d, error %v from %s", response.StatusCode, err, url)
	}
	return text
}
