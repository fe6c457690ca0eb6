package answer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Store reads what answers show, on behalf of an organisation.
type Store interface {
	// Versions may leave some out: for being too much at once, or not the organisation's to read.
	Versions(ctx context.Context, org string, names []string) (map[string]postgres.Version, error)
	Original(ctx context.Context, org string, d referral.Digest) (o postgres.Original, found bool, err error)
}

// Answers makes answers. It is safe for concurrent use.
type Answers struct {
	Store   Store
	Keys    *referral.Keys
	BaseURL *url.URL // of addresses, without /fhir; never taken from a request
}

// Status returns the batch-response of s, which has settled, for its sender: one entry, with the outcome of the
// request. prefer is what the poll prefers, if anything: it outweighs what the sender preferred when sending. Errors
// are the store's.
func (a Answers) Status(ctx context.Context, s postgres.Submission, prefer referral.Return) ([]byte, error) {
	v, err := a.view(ctx, s, prefer)
	if err != nil {
		return nil, err
	}
	b, err := v.status()
	if err != nil {
		return nil, err
	}
	return encode(b)
}

// Reply returns the answer to the request that s, which has settled, is of, as a FHIR server that settles at once
// gives it (FHIR R4 http.html). prefer is as for Status. Errors are the store's.
func (a Answers) Reply(ctx context.Context, s postgres.Submission, prefer referral.Return) (*fhirhttp.Reply, error) {
	v, err := a.view(ctx, s, prefer)
	if err != nil {
		return nil, err
	}
	return v.reply()
}

// CanonicalID is that of s: the same request sent twice has two ids, and both lead to one submission.
func (a Answers) CanonicalID(s postgres.Submission) string {
	return a.Keys.Mint(referral.Submission{Org: s.Org, AcceptedAt: s.AcceptedAt, Digest: s.Digest})
}

// view is a submission with all that an answer shows of it.
type view struct {
	Answers
	postgres.Submission
	answers  []referral.Answer // of each entry, or of the request where that is no Bundle or has failed
	prefer   referral.Return   // never empty
	versions map[string]postgres.Version
	response json.RawMessage // to a message
}

func (a Answers) view(ctx context.Context, s postgres.Submission, prefer referral.Return) (*view, error) {
	v := &view{Answers: a, Submission: s, answers: answersOf(s), prefer: prefer}
	if v.prefer == "" {
		v.prefer = s.Return
	}
	if v.prefer == "" {
		v.prefer = referral.ReturnMinimal
		if single(s) {
			v.prefer = referral.ReturnRepresentation
		}
	}
	var err error
	if names := v.shown(); len(names) > 0 {
		if v.versions, err = a.Store.Versions(ctx, s.Org, names); err != nil {
			return nil, err
		}
	}
	if s.BundleType == "message" && s.State != referral.Cancelled {
		original, _, err := a.Store.Original(ctx, s.Org, s.Digest)
		if err != nil {
			return nil, err
		}
		if v.response, err = v.message(original.Content); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// answersOf returns the answers of s, also where they follow from the rest.
func answersOf(s postgres.Submission) []referral.Answer {
	switch {
	case s.State == referral.Cancelled:
		return []referral.Answer{{Status: http.StatusGone, Outcome: cancelled()}}
	case len(s.Answers) > 0:
		return s.Answers
	case s.State == referral.Completed:
		answers := make([]referral.Answer, len(s.Resources))
		for i, name := range s.Resources {
			answers[i] = referral.Answer{Status: http.StatusCreated, Version: name}
		}
		return answers
	default:
		return []referral.Answer{{Status: rejectedStatus(s.Outcome)}}
	}
}

// single tells that the request was no Bundle, or is removed: its one answer is the answer.
func single(s postgres.Submission) bool {
	switch s.BundleType {
	case "create", "update", "patch", "delete", postgres.Removed:
		return true
	}
	return false
}

// whole is the answer to the request as a whole.
func (v *view) whole() referral.Answer {
	if single(v.Submission) && len(v.answers) > 0 || v.State != referral.Completed {
		a := v.answers[0]
		if a.Outcome == nil && v.Outcome != "" {
			a.Outcome = json.RawMessage(v.Outcome)
		}
		return a
	}
	a := referral.Answer{Status: http.StatusOK}
	if v.Outcome != "" {
		a.Outcome = json.RawMessage(v.Outcome)
	}
	return a
}

// shown are the names of the versions whose content the answer has, each once.
func (v *view) shown() []string {
	var names []string
	known := map[string]bool{}
	add := func(name string) {
		if !known[name] {
			known[name] = true
			names = append(names, name)
		}
	}
	for _, a := range v.answers {
		if v.showsResource(a) {
			add(a.Version)
		}
		for _, name := range a.Matches {
			add(name)
		}
	}
	return names
}

// showsResource tells whether the answer has the content of a's version: it was asked for, or is preferred. There is
// none where nothing is there any more, or nothing has changed.
func (v *view) showsResource(a referral.Answer) bool {
	return a.Version != "" && (a.Read || v.prefer == referral.ReturnRepresentation) &&
		a.Status < http.StatusMultipleChoices && a.Status != http.StatusNoContent
}

// searched tells that a is of a search, also of one that found nothing.
func searched(a referral.Answer) bool {
	return a.Matches != nil
}

// address is the absolute URL of a version.
func (v *view) address(name string) string {
	return v.BaseURL.JoinPath("fhir").String() + "/" + name
}

// etag is that of a version.
func etag(name string) string {
	_, number, _ := strings.Cut(name, "/_history/")
	return `W/"` + number + `"`
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }
