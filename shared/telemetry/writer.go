package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Writer passes lines on to another writer, in their order, without ever keeping its caller waiting: what that one does
// not take in time is dropped, a whole line at a time, and counted; a line of the log (LinesDropped) stands where they would
// have, so that whoever reads it knows what it lacks. Lines that come together leave together. It is safe for concurrent use.
type Writer struct {
	w     io.Writer
	limit int

	mu      sync.Mutex
	waiting []byte        // guarded by mu, as are the rest
	spare   []byte        // what waiting will be next
	writing bool          // whether a goroutine passes lines on
	idle    chan struct{} // closed when that ends; nil: nobody waits for it
	dropped uint64
	told    uint64 // of those, in the log
}

// LinesDropped is the msg of a line that says how many lines are missing here, as the field lines.
const LinesDropped = "lines dropped"

// defaultLimit is some thousand lines.
const defaultLimit = 1 << 20

// NewWriter returns a Writer to w that keeps at most limit bytes which w has not taken, 0: 1 MiB.
func NewWriter(w io.Writer, limit int) *Writer {
	if limit == 0 {
		limit = defaultLimit
	}
	return &Writer{w: w, limit: limit}
}

// Write takes or drops line, which is one whole line. It never fails: whoever logs can do nothing about it.
func (b *Writer) Write(line []byte) (int, error) {
	b.take(line)
	return len(line), nil
}

// take tells whether it has taken line, and not dropped it.
func (b *Writer) take(line []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting)+len(line) > b.limit {
		b.dropped++
		return false
	}
	b.waiting = append(b.waiting, line...)
	if !b.writing {
		b.writing = true
		go b.pass()
	}
	return true
}

// pass writes until nothing waits.
func (b *Writer) pass() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 {
		lines := b.waiting
		b.waiting = b.spare[:0]
		if missing := b.dropped - b.told; missing > 0 {
			b.told = b.dropped
			lines = fmt.Appendf(lines, `{"time":%q,"level":%q,"msg":%q,"lines":%d}`+"\n",
				time.Now().UTC().Format(time.RFC3339Nano), slog.LevelError, LinesDropped, missing)
		}
		b.mu.Unlock()
		_, err := b.w.Write(lines)
		b.mu.Lock()
		b.spare = lines
		if err != nil {
			b.dropped++ // at least one line; that is told when there is somebody to take it
		}
	}
	b.writing = false
	if b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

// Flush returns when nothing waits or is being written, or when ctx ends.
func (b *Writer) Flush(ctx context.Context) {
	b.mu.Lock()
	if !b.writing {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Dropped is how many lines were dropped so far.
func (b *Writer) Dropped() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}
