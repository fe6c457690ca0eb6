package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/submit"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// progress shows a submit while it runs: on a terminal a bar, and lines for what went wrong only; else a line for each
// document. It is for one goroutine at a time.
type progress struct {
	*streams
	bar   bool
	total int // 0: not known
	began time.Time
	drawn time.Time // when the bar was drawn last

	accepted, done, wrong int
}

func newProgress(s *streams, total int) *progress {
	return &progress{streams: s, total: total, began: time.Now(), bar: !s.json && isTerminal(s.out) && isTerminal(s.err)}
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

// report is told of each result by submit.Run.
func (p *progress) report(r submit.Result, final bool) {
	if !final {
		p.accepted++
		p.draw(false)
		return
	}
	p.done++
	fine := r.State == referral.Completed || r.State == referral.Queued
	if !fine {
		p.wrong++
	}
	switch {
	case p.json:
		_ = p.printJSON(r) // a reader that has gone ends the summary as well
	case !p.bar || !fine:
		p.clear()
		fmt.Fprintln(p.out, line(r))
	}
	p.draw(p.done == p.total)
}

// line is a result in words.
func line(r submit.Result) string {
	text := fmt.Sprintf("%-9s  %s", r.State, r.Path)
	for _, part := range []string{r.StatusURL, r.Status, r.Progress, r.Error} {
		if part != "" {
			text += "  " + part
		}
	}
	if r.Issue != nil {
		text += "  " + r.Issue.String()
	}
	return text
}

// barWidth is how many characters the bar has.
const barWidth = 30

// draw draws the bar, ten times a second at most unless it must.
func (p *progress) draw(must bool) {
	if !p.bar || !must && time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	p.clear()
	elapsed := p.drawn.Sub(p.began).Round(time.Second)
	if p.total == 0 {
		fmt.Fprintf(p.err, "%d accepted, %d done, %d wrong  %v", p.accepted, p.done, p.wrong, elapsed)
		return
	}
	full := barWidth * p.done / p.total
	fmt.Fprintf(p.err, "[%s%s] %d/%d  %d wrong  %v",
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), p.done, p.total, p.wrong, elapsed)
}

// clear removes the bar, so that a line can stand there.
func (p *progress) clear() {
	if p.bar {
		fmt.Fprint(p.err, "\r\x1b[K")
	}
}

// end prints the summary.
func (p *progress) end(s submit.Summary) {
	if p.json {
		_ = p.printJSON(map[string]submit.Summary{"summary": s}) // as in report
		return
	}
	p.clear()
	text := fmt.Sprintf("%d Bundles: %d accepted, %d completed, %d rejected", s.Documents, s.Accepted, s.Completed, s.Rejected)
	for _, more := range []struct {
		n    int
		what string
	}{{s.Cancelled, "cancelled"}, {s.Queued, "not settled yet"}, {s.Failed, "failed"}, {s.Earlier, "of an earlier run"}} {
		if more.n > 0 {
			text += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	fmt.Fprintf(p.out, "%s; %v.\n", text, time.Since(p.began).Round(time.Millisecond))
}
