package telemetry

import (
	"context"
	"io"
	"sync"
)

// Writer passes lines on to another writer, in their order, without ever keeping its caller waiting: what that one does
// not take in time is dropped, a whole line at a time, and counted. Lines that come together leave together. It is safe
// for concurrent use.
type Writer struct {
	w     io.Writer
	limit int

	mu      sync.Mutex
	waiting []byte        // guarded by mu, as are the rest
	spare   []byte        // what waiting will be next
	writing bool          // whether a goroutine passes lines on
	idle    chan struct{} // closed when that ends; nil: nobody waits for it
	dropped uint64
}

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
		b.mu.Unlock()
		_, err := b.w.Write(lines)
		b.mu.Lock()
		b.spare = lines
		if err != nil {
			b.dropped++ // at least one line; there is nobody to be told of it
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
