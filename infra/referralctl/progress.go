package main

import (
	"fmt"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/submit"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// progress shows a submit while it runs: on a terminal a bar, and lines for what went wrong only; else a line for each
// document. It is for one goroutine at a time.
type progress struct {
	bar
	accepted, done, wrong int
}

func newProgress(s *streams, total int) *progress {
	return &progress{bar: newBar(s, total)}
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
	case !p.shown || !fine:
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

// draw draws the bar.
func (p *progress) draw(must bool) {
	text := fmt.Sprintf("%d wrong", p.wrong)
	if p.total == 0 {
		text = fmt.Sprintf("%d accepted, %d done, %d wrong", p.accepted, p.done, p.wrong)
	}
	p.bar.draw(p.done, text, must)
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
