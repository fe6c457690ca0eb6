package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bar shows on a terminal how far something is. It is for one goroutine at a time.
type bar struct {
	*streams
	shown bool
	total int // 0: not known
	began time.Time
	drawn time.Time // last
}

func newBar(s *streams, total int) bar {
	return bar{streams: s, total: total, began: time.Now(), shown: !s.json && isTerminal(s.out) && isTerminal(s.err)}
}

// isTerminal tells whether w shows what is written to a person.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// barWidth is how many characters the bar has.
const barWidth = 30

// draw draws the bar with text beside, ten times a second at most unless it must.
func (b *bar) draw(done int, text string, must bool) {
	if !b.shown || !must && time.Since(b.drawn) < 100*time.Millisecond {
		return
	}
	b.drawn = time.Now()
	b.clear()
	elapsed := b.drawn.Sub(b.began).Round(time.Second)
	if b.total == 0 {
		fmt.Fprintf(b.err, "%s  %v", text, elapsed)
		return
	}
	full := barWidth * min(done, b.total) / b.total
	fmt.Fprintf(b.err, "[%s%s] %d/%d  %s  %v", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, b.total, text, elapsed)
}

// clear removes the bar, so that a line can stand there.
func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.err, "\r\x1b[K")
	}
}
