// Package submit sends many referrals and follows each to its end.
//
// It promises that every document is sent with an Idempotency-Key made of its content, so that sending it again,
// by a retry or by a second run, never makes a second submission; and that a second run with the same state file
// sends nothing again that was accepted. The bounds are Config.Concurrency requests that post and followed times as
// many submissions that are waited for. Showing results is left to Config.Report.
package submit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Config is what Run needs.
type Config struct {
	Client      *client.Client
	Documents   iter.Seq2[Document, error]
	Concurrency int           // documents that are being posted at once
	Follow      time.Duration // for how long a submission is followed; 0: not at all
	State       *State        // nil: none is kept
	// Report is told of each result, one at a time: final says that it is the last one about the document.
	Report func(r Result, final bool)
}

// Summary counts documents.
type Summary struct {
	Documents int `json:"documents"`
	Earlier   int `json:"earlier"`  // settled in an earlier run; they count below as well
	Accepted  int `json:"accepted"` // answered with 202 or settled at once, in this run or an earlier one
	Completed int `json:"completed"`
	Rejected  int `json:"rejected"`
	Cancelled int `json:"cancelled"`
	Queued    int `json:"queued"` // accepted and not settled when it was last asked
	Failed    int `json:"failed"`
}

// followed times Concurrency is how many submissions are waited for at once.
const followed = 64

// run is one call of Run.
type run struct {
	Config
	server  string
	stop    context.CancelCauseFunc
	follows errgroup.Group

	mu      sync.Mutex // also makes calls of Report one at a time
	summary Summary    // guarded by mu
}

// Run sends the documents. What the server refuses is a result and not an error. An error ends the run: the server
// cannot be reached, is too busy for too long or refuses the caller, a document or the state file cannot be read or
// written, or ctx has ended.
func Run(ctx context.Context, c Config) (Summary, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &run{Config: c, server: c.Client.Base.String(), stop: stop}
	r.follows.SetLimit(followed * c.Concurrency)
	var posts errgroup.Group
	posts.SetLimit(c.Concurrency)
	for document, err := range c.Documents {
		if err != nil {
			stop(err)
		}
		if ctx.Err() != nil {
			break
		}
		posts.Go(func() error { r.document(ctx, document); return nil })
	}
	_ = posts.Wait() // both groups end the run by stop, and not by an error
	_ = r.follows.Wait()
	return r.summary, context.Cause(ctx)
}

// document brings one document as far as it can.
func (r *run) document(ctx context.Context, d Document) {
	sum := sha256.Sum256(d.Body)
	result := Result{Path: d.Path, SHA256: hex.EncodeToString(sum[:]), Server: r.server}
	r.count(func(s *Summary) { s.Documents++ })
	if r.State != nil {
		last, _ := r.State.Last(r.server, result.SHA256)
		switch last.Path = d.Path; {
		case last.done():
			r.count(func(s *Summary) { s.Earlier++ })
			r.finish(last)
			return
		case last.State == referral.Queued:
			r.accepted(ctx, last, 0)
			return
		}
	}
	submission, err := r.Client.Submit(ctx, d.Body, "sha256-"+result.SHA256)
	if err != nil {
		r.refused(ctx, result, err)
		return
	}
	result.State, result.StatusURL = referral.Queued, submission.StatusURL
	if submission.Outcome != nil {
		r.settled(result, *submission.Outcome)
		return
	}
	if r.keep(result) {
		r.accepted(ctx, result, submission.RetryAfter)
	}
}

// accepted follows a submission, beside the posting of others.
func (r *run) accepted(ctx context.Context, result Result, wait time.Duration) {
	if r.Follow == 0 {
		r.finish(result)
		return
	}
	r.report(result, false)
	r.follows.Go(func() error {
		limited, cancel := context.WithTimeout(ctx, r.Follow)
		defer cancel()
		outcome, err := r.Client.Follow(limited, client.StatusID(result.StatusURL), wait)
		switch {
		case err == nil:
			r.settled(result, outcome)
		case limited.Err() != nil: // a later run may follow it further
			result.Progress = outcome.Progress
			r.finish(result)
		default:
			r.refused(ctx, result, err)
		}
		return nil
	})
}

func (r *run) settled(result Result, outcome client.Outcome) {
	result.State, result.Status, result.Resources = outcome.State, outcome.Status, len(outcome.Resources)
	if outcome.Issue != (client.Issue{}) {
		result.Issue = &outcome.Issue
	}
	if r.keep(result) {
		r.finish(result)
	}
}

// refused tells what the server says about the document from what would meet all others as well, which ends the run.
func (r *run) refused(ctx context.Context, result Result, err error) {
	if ctx.Err() != nil {
		return // ended for another reason, which has been told
	}
	refusal, ok := errors.AsType[*client.Error](err)
	if !ok || refusal.Later() {
		r.stop(err)
		return
	}
	result.State, result.Status = Failed, strconv.Itoa(refusal.Status)+" "+http.StatusText(refusal.Status)
	if refusal.Issue != (client.Issue{}) {
		result.Issue = &refusal.Issue
	}
	switch status := refusal.Status; {
	case status == http.StatusNotFound && result.StatusURL != "":
		result.Error = "the server does not know the submission any more"
	case status < 400, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed, status == http.StatusNotAcceptable:
		r.stop(err)
		return
	case status < 500:
		result.State = referral.Rejected
	}
	if r.keep(result) {
		r.finish(result)
	}
}

// keep writes the result to the state file and tells whether to go on.
func (r *run) keep(result Result) bool {
	if r.State == nil {
		return true
	}
	if err := r.State.Put(result); err != nil {
		r.stop(err)
		return false
	}
	return true
}

// finish counts and reports what is the last of a document.
func (r *run) finish(result Result) {
	r.count(func(s *Summary) {
		if result.StatusURL != "" || result.State == referral.Completed {
			s.Accepted++
		}
		switch result.State {
		case referral.Completed:
			s.Completed++
		case referral.Rejected:
			s.Rejected++
		case referral.Cancelled:
			s.Cancelled++
		case Failed:
			s.Failed++
		default:
			s.Queued++
		}
	})
	r.report(result, true)
}

func (r *run) count(change func(*Summary)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.summary)
}

func (r *run) report(result Result, final bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Report(result, final)
}
