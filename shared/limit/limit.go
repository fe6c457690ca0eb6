// Package limit keeps callers within what they may ask for: requests a second, at once and a day, as a usage plan of API
// Gateway does for a deployment on AWS; and a process within the connections that it can serve.
//
// It promises that no client has more requests admitted than its limits allow, however many it sends at once; that a
// refused request costs nothing; that each answer says how much is left (draft-ietf-httpapi-ratelimit-headers-11), a
// refusal when to come again; and that its memory is bounded, whoever calls. It counts within one process and forgets
// when that ends: several processes each admit the whole.
//
// Who calls, from where and what the limits are is principal's to say. Who proves to be nobody is counted by the network
// of the address, and only that: whoever calls from there with a right key is admitted.
package limit

import (
	"cmp"
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// Config says how a Limiter counts.
type Config struct {
	// MaxClients is how many are remembered, 0: 10,000. One more, and who has not called for longest is forgotten and
	// may begin anew; a registry has fewer.
	MaxClients int
	Clock      func() time.Time // nil: time.Now
}

// Limiter counts the requests of clients that have limits. Safe for concurrent use.
type Limiter struct {
	max       int
	clock     func() time.Time
	strangers *Limiter // counts those who have not proved who they are

	mu      sync.Mutex               // guards what follows, and the clients in it
	clients map[client]*list.Element // of recent
	recent  *list.List               // of *count, who called last in front
}

// client is who is counted.
type client struct{ org, name string }

// count is what a client has used. Its limits may change while it is counted: the registry is reloaded.
type count struct {
	client
	limits principal.Limits
	bucket *rate.Limiter // nil: no rate
	day    int64         // since 1970, UTC
	used   int           // of that day's quota
}

// New returns a Limiter for which nobody has called yet.
func New(c Config) *Limiter {
	l := newLimiter(c)
	l.strangers = newLimiter(c)
	return l
}

func newLimiter(c Config) *Limiter {
	l := &Limiter{max: cmp.Or(c.MaxClients, 10_000), clock: c.Clock, clients: map[client]*list.Element{}, recent: list.New()}
	if l.clock == nil {
		l.clock = time.Now
	}
	return l
}

// Authenticate returns authenticate for callers that are within their limits. To others the error is a *fhir.Error with
// code throttled, which is HTTP's 429, as it is to who has tried too often to be known. The headers are set where Handler has been passed on the way.
func (l *Limiter) Authenticate(authenticate func(*http.Request) (principal.Principal, error)) func(*http.Request) (principal.Principal, error) {
	return func(r *http.Request) (principal.Principal, error) {
		p, err := authenticate(r)
		if err != nil && fhir.CodeOf(err) == fhir.CodeLogin {
			return p, l.stranger(r, err)
		}
		if err != nil || p.Limits.RPS <= 0 && p.Limits.PerDay <= 0 {
			return p, err
		}
		s := l.take(p)
		s.tell(r)
		return p, s.err(p)
	}
}

// attempts is how often somebody may fail to prove who it is: a hundred times at once, and once a second.
var attempts = principal.Limits{RPS: 1, Burst: 100}

// stranger counts a request that failed with err to prove who sends it, and returns its refusal.
func (l *Limiter) stranger(r *http.Request, err error) error {
	s := l.strangers.take(principal.Principal{Client: network(r.RemoteAddr), Limits: attempts})
	if s.reached == "" {
		return err
	}
	s.tell(r)
	return fhir.NewError(fhir.CodeThrottled, "", "Too many requests from this address do not say who sends them; the header Retry-After says when one may again").
		WithCause(err)
}

// network returns the address that a stranger is counted by: of IPv6 the network of 64 bits, in which one host has any.
func network(remote string) string {
	address, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	if ip := address.Addr().Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := address.Addr().WithZone("").Prefix(64)
	if err != nil {
		return remote
	}
	return prefix.String()
}

// take counts a request of p unless a limit is reached, and returns where p stands then.
func (l *Limiter) take(p principal.Principal) standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock().UTC()
	c := l.of(client{p.Org, p.Client})
	c.begin(p.Limits, now)
	s := standing{limits: c.limits, tillMidnight: secondsTillMidnight(now)}
	switch {
	case c.limits.PerDay > 0 && c.used >= c.limits.PerDay:
		s.reached = quota
	case c.bucket != nil && !c.bucket.AllowN(now, 1):
		s.reached = rates
	default:
		c.used++
	}
	if c.bucket != nil {
		s.tokens = c.bucket.TokensAt(now)
	}
	s.left = max(0, c.limits.PerDay-c.used)
	return s
}

// of returns the count of a client, a new one for who is not remembered.
func (l *Limiter) of(who client) *count {
	if e, ok := l.clients[who]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*count)
	}
	if len(l.clients) >= l.max {
		delete(l.clients, l.recent.Remove(l.recent.Back()).(*count).client)
	}
	c := &count{client: who}
	l.clients[who] = l.recent.PushFront(c)
	return c
}

// begin makes c ready for a request at now under limits. A bucket starts full and keeps what is in it when its rate or
// size changes; a quota is of the calendar day.
func (c *count) begin(limits principal.Limits, now time.Time) {
	if day := now.Unix() / secondsPerDay; day != c.day {
		c.day, c.used = day, 0
	}
	limits.Burst = max(1, limits.Burst) // no request fits into less
	switch rps := rate.Limit(limits.RPS); {
	case rps <= 0:
		c.bucket = nil
	case c.bucket == nil:
		c.bucket = rate.NewLimiter(rps, limits.Burst)
	case limits != c.limits:
		c.bucket.SetLimitAt(now, rps)
		c.bucket.SetBurstAt(now, limits.Burst)
	}
	c.limits = limits
}

const secondsPerDay = 24 * 60 * 60

func secondsTillMidnight(now time.Time) int { return int(secondsPerDay - now.Unix()%secondsPerDay) }
