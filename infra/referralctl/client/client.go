// Package client speaks to a Referral FHIR Server as a sender or recipient does.
//
// It promises that a request whose answer is lost or says "later" (429, 502, 503, 504) is sent again, with a pause
// that grows and is never shorter than Retry-After, and that the API key goes to the configured server and nowhere
// else: redirects are not followed, and of a status URL only the id is used, and of a next link only the query. Sending again is safe because
// submissions carry an Idempotency-Key. What to do about an error is left to the caller.
package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client is one sender at one server. It is safe for concurrent use.
type Client struct {
	Base      *url.URL          // of the server, without /fhir
	Key       string            // for the header x-api-key
	Transport http.RoundTripper // nil: http.DefaultTransport
	Attempts  int               // of one request; 0: 8, about a minute

	reached atomic.Bool // the server has answered before
}

const (
	defaultAttempts = 8
	firstAttempts   = 3 // to reach a server that has never answered: probably the address is wrong
	leastPause      = 250 * time.Millisecond
	mostPause       = 30 * time.Second
	requestTimeout  = time.Minute // of one attempt; longer than a server takes to give up
	maxAnswer       = 64 << 20    // bytes
)

// Error is an answer that ends a request: the server's refusal, or its last "later" when the attempts are used up.
type Error struct {
	Status   int   // HTTP status
	Issue    Issue // the first one that fails, if the answer has any
	Attempts int
}

// Error names status and issue; they hold no patient data.
func (e *Error) Error() string {
	text := statusLine(e.Status)
	if e.Issue != (Issue{}) {
		text += ": " + e.Issue.String()
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (after %d attempts)", e.Attempts)
	}
	return text
}

// Later tells whether the same request may be answered otherwise later.
func (e *Error) Later() bool { return later(e.Status) }

func later(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func statusLine(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

// Unreachable says that there was no answer.
type Unreachable struct {
	Err      error
	Attempts int
}

func (e *Unreachable) Error() string { return fmt.Sprintf("%v (after %d attempts)", e.Err, e.Attempts) }

// Unwrap returns what the connection ended with.
func (e *Unreachable) Unwrap() error { return e.Err }

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request until its answer is not "later" or the attempts are used up. The answer is 2xx; any other is an
// *Error. Without an answer the error is *Unreachable, or that of ctx.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body []byte) (answer, error) {
	attempts := c.Attempts
	if attempts == 0 {
		attempts = defaultAttempts
	}
	for attempt := 1; ; attempt++ {
		a, err := c.once(ctx, method, path, header, body)
		switch {
		case ctx.Err() != nil:
			return answer{}, ctx.Err()
		case err == nil && a.status/100 == 2:
			return a, nil
		case err == nil && !later(a.status):
			return answer{}, refusal(a, attempt)
		case attempt >= attempts && err == nil:
			return answer{}, refusal(a, attempt)
		case attempt >= attempts, attempt >= firstAttempts && err != nil && !c.reached.Load():
			return answer{}, &Unreachable{err, attempt}
		}
		if err := sleep(ctx, max(pause(attempt), retryAfter(a.header, 0))); err != nil {
			return answer{}, err
		}
	}
}

func refusal(a answer, attempts int) *Error {
	return &Error{Status: a.status, Issue: firstFailure(a.body), Attempts: attempts}
}

func (c *Client) once(ctx context.Context, method, path string, header http.Header, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	path, query, _ := strings.Cut(path, "?")
	target := c.Base.JoinPath(path)
	target.RawQuery = query
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Accept", "application/fhir+json")
	r.Header.Set("X-Api-Key", c.Key)
	sender := http.Client{
		Transport:     c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := sender.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which the caller knows
		}
		return answer{}, err
	}
	defer response.Body.Close()
	c.reached.Store(true)
	read, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return answer{response.StatusCode, response.Header, read}, nil
}

// pause returns how long to wait after so many attempts: twice as long each time, between a half and all of it, so
// that many senders do not come back together.
func pause(attempts int) time.Duration {
	most := min(leastPause<<min(attempts, 16), mostPause)
	return most/2 + rand.N(most/2)
}

// retryAfter returns the seconds of the header Retry-After (RFC 9110 §10.2.3), or otherwise when there are none.
// More than a minute is asked for by nobody who expects an answer.
func retryAfter(header http.Header, otherwise time.Duration) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return otherwise
	}
	return time.Duration(min(seconds, 60)) * time.Second
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
