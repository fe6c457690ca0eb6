package limit

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// headerKey is the context's for the header of the answer: who authenticates is given the request only, and there the
// limits are learnt.
type headerKey struct{}

// Handler returns next with a place for what Authenticate has to tell. It goes around all that uses Authenticate.
func (l *Limiter) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), headerKey{}, w.Header())))
	})
}

// policy names a limit in the headers.
type policy string

const (
	rates policy = "rate"
	quota policy = "day"
)

// standing is where a client stands after a request.
type standing struct {
	limits       principal.Limits
	reached      policy  // empty: the request is within all limits
	tokens       float64 // in the bucket, when there is a rate
	left         int     // of the quota, when there is one
	tillMidnight int     // in seconds
}

// tell sets the headers of the answer to r.
//
// A bucket of b that fills with r a second is told as a quota of b for as long as it takes to fill, which comes to the
// same in the long run. The seconds of RateLimit are those until all is there again or, with nothing left, until a
// request is; both are rounded up, so that nobody comes too early.
func (s standing) tell(r *http.Request) {
	header, ok := r.Context().Value(headerKey{}).(http.Header)
	if !ok {
		return
	}
	var policies, limits []string
	add := func(name policy, quota, window, left, reset int) {
		policies = append(policies, fmt.Sprintf(`"%s";q=%d;w=%d`, name, quota, window))
		limits = append(limits, fmt.Sprintf(`"%s";r=%d;t=%d`, name, left, reset))
	}
	if s.limits.RPS > 0 {
		left, reset := int(max(0, s.tokens)), s.fills(float64(s.limits.Burst))
		if left == 0 {
			reset = s.fills(1)
		}
		add(rates, s.limits.Burst, seconds(float64(s.limits.Burst)/s.limits.RPS), left, reset)
	}
	if s.limits.PerDay > 0 {
		add(quota, s.limits.PerDay, secondsPerDay, s.left, s.tillMidnight)
	}
	header.Set("RateLimit-Policy", strings.Join(policies, ", "))
	header.Set("RateLimit", strings.Join(limits, ", "))
	switch s.reached {
	case rates:
		header.Set("Retry-After", strconv.Itoa(s.fills(1)))
	case quota:
		header.Set("Retry-After", strconv.Itoa(s.tillMidnight))
	}
}

// fills returns the seconds until the bucket holds tokens.
func (s standing) fills(tokens float64) int { return seconds((tokens - s.tokens) / s.limits.RPS) }

// longest is the most that a structured field's integer may be (RFC 9651 §3.3.1), give or take.
const longest = 1e15 - 1

func seconds(s float64) int { return int(math.Ceil(min(max(s, 0), longest))) }

// err returns the refusal of p, or nil.
func (s standing) err(p principal.Principal) error {
	if s.reached == "" {
		return nil
	}
	details := "This client asks more often than it may; the header Retry-After says when it may again"
	if s.reached == quota {
		details = "This client has used up its requests of today, which ends at midnight UTC"
	}
	return fhir.NewError(fhir.CodeThrottled, "", details).
		WithCause(fmt.Errorf("client %s of %s has reached its limit %q", p.Client, p.Org, s.reached))
}
