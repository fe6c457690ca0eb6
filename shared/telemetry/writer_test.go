package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// pipe is a writer that takes nothing until it is opened, as a full pipe does.
type pipe struct {
	open chan struct{}

	mu  sync.Mutex
	got bytes.Buffer // guarded by mu
}

func (p *pipe) Write(b []byte) (int, error) {
	<-p.open
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.Write(b)
}

// TestFullPipeStallsNobody: whole lines are dropped and counted, the others come in their order.
func TestFullPipeStallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{open: make(chan struct{})}
		w := telemetry.NewWriter(p, 100)
		for i := range 100 { // of ten bytes each
			if n, err := fmt.Fprintf(w, "line %04d\n", i); n != 10 || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.Flush(ctx) // returns
		if got := w.Dropped(); got != 89 {
			t.Errorf("got %d dropped, want all but the one being written and the ten that wait", got)
		}
		close(p.open)
		w.Flush(t.Context())
		lines := strings.Split(strings.TrimSpace(p.got.String()), "\n")
		if len(lines) != 12 || lines[0] != "line 0000" || lines[10] != "line 0010" || lines[11] != `{"time":"2000-01-01T00:00:00Z","level":"ERROR","msg":"lines dropped","lines":89}` {
			t.Errorf("got %q, want the first eleven lines, and that 89 are missing", lines)
		}
		fmt.Fprintln(w, "after")
		w.Flush(t.Context())
		if !strings.HasSuffix(p.got.String(), "}\nafter\n") {
			t.Error("what is written when the pipe is open again does not arrive")
		}
	})
}

// TestWriterKeepsLinesWhole, written by several at once.
func TestWriterKeepsLinesWhole(t *testing.T) {
	p := &pipe{open: make(chan struct{})}
	close(p.open)
	w := telemetry.NewWriter(p, 0)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for range 500 {
				fmt.Fprintf(w, "%s\n", strings.Repeat(string(rune('a'+i)), 50))
			}
		})
	}
	writers.Wait()
	w.Flush(t.Context())
	lines := strings.Split(strings.TrimSpace(p.got.String()), "\n")
	if len(lines) != 8*500 {
		t.Errorf("got %d lines, want %d", len(lines), 8*500)
	}
	for _, l := range lines {
		if l != strings.Repeat(l[:1], 50) {
			t.Fatalf("got line %q", l)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestBrokenWriterIsCounted(t *testing.T) {
	w := telemetry.NewWriter(broken{}, 0)
	fmt.Fprintln(w, "line")
	w.Flush(t.Context())
	if got := w.Dropped(); got != 1 {
		t.Errorf("got %d dropped, want 1", got)
	}
}

func BenchmarkWriter(b *testing.B) {
	w, line := telemetry.NewWriter(discard{}, 0), bytes.Repeat([]byte("x"), 400)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(line)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
