package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Submission is an accepted Bundle.
type Submission struct {
	StatusURL  string // as the server gave it; empty when it settled at once
	RetryAfter time.Duration
	Outcome    *Outcome // nil unless it has settled already
}

// Outcome is how a submission stands.
type Outcome struct {
	State     referral.State
	Progress  string   // why it has not settled yet, in the server's words
	Status    string   // HTTP status line of the original request, such as "422 Unprocessable Entity"; once settled
	Issue     Issue    // the first one that fails; of a rejected submission
	Resources []string // locations; of a completed one
	Body      json.RawMessage
}

// Issue is the part of OperationOutcome.issue that is shown.
type Issue struct {
	Severity   string `json:"severity,omitempty"`
	Code       string `json:"code,omitempty"`
	Expression string `json:"expression,omitempty"`
	Details    string `json:"details,omitempty"`
}

// String returns code, place and sentence.
func (i Issue) String() string {
	text := i.Code
	if i.Expression != "" {
		text += " at " + i.Expression
	}
	if i.Details != "" {
		text += ": " + i.Details
	}
	return text
}

// defaultRetryAfter is for a server that does not say when to ask.
const defaultRetryAfter = time.Second

// Submit posts a Bundle. With the same key it may be posted again: the server settles it once.
func (c *Client) Submit(ctx context.Context, bundle []byte, idempotencyKey string) (Submission, error) {
	a, err := c.send(ctx, http.MethodPost, "fhir", http.Header{
		"Content-Type": {"application/fhir+json"}, "Idempotency-Key": {idempotencyKey},
	}, bundle)
	if err != nil {
		return Submission{}, err
	}
	if a.status != http.StatusAccepted {
		return Submission{Outcome: &Outcome{State: referral.Completed, Status: statusLine(a.status), Body: a.body}}, nil
	}
	s := Submission{StatusURL: a.header.Get("Content-Location"), RetryAfter: retryAfter(a.header, defaultRetryAfter)}
	if StatusID(s.StatusURL) == "" {
		return Submission{}, errors.New("the server accepted the Bundle without a Content-Location; is it a Referral FHIR Server?")
	}
	return s, nil
}

// StatusID returns the submission id in a status URL, or "" when there is none.
func StatusID(statusURL string) string {
	before, id := path.Split(statusURL)
	if !strings.HasSuffix(before, "/fhir/_status/") {
		return ""
	}
	return id
}

// Status asks how a submission stands, and returns when to ask again if it has not settled.
func (c *Client) Status(ctx context.Context, id string) (Outcome, time.Duration, error) {
	a, err := c.send(ctx, http.MethodGet, "fhir/_status/"+id, nil, nil)
	if err != nil {
		return Outcome{}, 0, err
	}
	if a.status == http.StatusAccepted {
		return Outcome{State: referral.Queued, Progress: a.header.Get("X-Progress"), Body: a.body},
			max(retryAfter(a.header, defaultRetryAfter), leastPause), nil
	}
	o, err := settled(a.body)
	return o, 0, err
}

// Follow asks until the submission has settled, as often as the server wishes and for the first time after wait. When
// ctx ends before that it returns the outcome as last heard of, with ctx's error.
func (c *Client) Follow(ctx context.Context, id string, wait time.Duration) (Outcome, error) {
	last := Outcome{State: referral.Queued}
	for {
		if err := sleep(ctx, wait); err != nil {
			return last, err
		}
		o, after, err := c.Status(ctx, id)
		if err != nil {
			return last, err
		}
		if last, wait = o, after; o.State.Settled() {
			return o, nil
		}
	}
}

// responseBundle is what is read of a batch-response and of the transaction-response in it (FHIR R4 bundle.html).
type responseBundle struct {
	Type  string `json:"type"`
	Entry []struct {
		Resource *responseBundle `json:"resource"`
		Response struct {
			Status   string          `json:"status"`
			Location string          `json:"location"`
			Outcome  json.RawMessage `json:"outcome"`
		} `json:"response"`
	} `json:"entry"`
}

func settled(body []byte) (Outcome, error) {
	var b responseBundle
	if err := json.Unmarshal(body, &b); err != nil || b.Type != "batch-response" || len(b.Entry) == 0 {
		return Outcome{}, errors.New("the status is no Bundle of type batch-response; is this a Referral FHIR Server?")
	}
	response := b.Entry[0].Response
	o := Outcome{State: referral.Rejected, Status: response.Status, Body: body}
	switch {
	case strings.HasPrefix(response.Status, "2"):
		o.State = referral.Completed
		if resource := b.Entry[0].Resource; resource != nil {
			for _, entry := range resource.Entry {
				o.Resources = append(o.Resources, entry.Response.Location)
			}
		}
	case strings.HasPrefix(response.Status, "410"):
		o.State = referral.Cancelled
	default:
		o.Issue = firstFailure(response.Outcome)
	}
	return o, nil
}

// firstFailure returns the first issue of an OperationOutcome that fails, or its first one, or none.
func firstFailure(outcome []byte) Issue {
	var o struct {
		Issue []struct {
			Severity   string   `json:"severity"`
			Code       string   `json:"code"`
			Expression []string `json:"expression"`
			Details    struct {
				Text string `json:"text"`
			} `json:"details"`
		} `json:"issue"`
	}
	if err := json.Unmarshal(outcome, &o); err != nil || len(o.Issue) == 0 {
		return Issue{} // a proxy's page, for example
	}
	first := o.Issue[0]
	for _, issue := range o.Issue {
		if issue.Severity == "error" || issue.Severity == "fatal" {
			first = issue
			break
		}
	}
	return Issue{first.Severity, first.Code, strings.Join(first.Expression, ", "), first.Details.Text}
}
