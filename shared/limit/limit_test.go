package limit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/limit"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// caller answers with who the caller says to be, under the limits that it has at the time.
type caller struct{ limits principal.Limits }

func (c *caller) authenticate(r *http.Request) (principal.Principal, error) {
	name := r.Header.Get("X-Api-Key")
	if name == "" {
		return principal.Principal{}, fhir.NewError(fhir.CodeLogin, "", "An API key is needed")
	}
	return principal.Principal{Org: "8003621566684455", Client: name, Limits: c.limits}, nil
}

// server answers 200 with {} to callers who are admitted, as ingest and query do.
func server(l *limit.Limiter, c *caller) http.Handler {
	authenticate := l.Authenticate(c.authenticate)
	return l.Handler(fhirhttp.Server{}.Handle("GET /", func(w *fhirhttp.Response, r *http.Request) error {
		p, err := authenticate(r)
		if err != nil {
			return err
		}
		w.Principal = p
		fhirhttp.Write(w, http.StatusOK, []byte("{}"))
		return nil
	}))
}

// answer is what a caller sees: status, Retry-After, RateLimit and RateLimit-Policy.
type answer struct {
	Status             int
	Retry, Left, Rules string
}

func ask(h http.Handler, key string) answer {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Api-Key", key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header().Get("Retry-After"), w.Header().Get("RateLimit"), w.Header().Get("RateLimit-Policy")}
}

// compare asks once for key.
func compare(t *testing.T, h http.Handler, key string, want answer) {
	t.Helper()
	if diff := cmp.Diff(want, ask(h, key)); diff != "" {
		t.Errorf("answer to %s (-want +got):\n%s", key, diff)
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := server(limit.New(limit.Config{}), &caller{principal.Limits{RPS: 0.5, Burst: 3}})
		const rules = `"rate";q=3;w=6`
		for _, test := range []struct {
			after time.Duration
			want  answer
		}{
			{0, answer{200, "", `"rate";r=2;t=2`, rules}},
			{0, answer{200, "", `"rate";r=1;t=4`, rules}},
			{0, answer{200, "", `"rate";r=0;t=2`, rules}},
			{0, answer{429, "2", `"rate";r=0;t=2`, rules}},
			{1500 * time.Millisecond, answer{429, "1", `"rate";r=0;t=1`, rules}},
			{500 * time.Millisecond, answer{200, "", `"rate";r=0;t=2`, rules}},
			{time.Hour, answer{200, "", `"rate";r=2;t=2`, rules}},
		} {
			time.Sleep(test.after)
			compare(t, h, "a", test.want)
		}
		compare(t, h, "b", answer{200, "", `"rate";r=2;t=2`, rules}) // another client has its own
	})
}

func TestQuotaEndsAtMidnightUTC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at midnight UTC
		h := server(limit.New(limit.Config{}), &caller{principal.Limits{PerDay: 2}})
		const rules = `"day";q=2;w=86400`
		time.Sleep(24*time.Hour - 10*time.Second)
		compare(t, h, "a", answer{200, "", `"day";r=1;t=10`, rules})
		compare(t, h, "a", answer{200, "", `"day";r=0;t=10`, rules})
		compare(t, h, "a", answer{429, "10", `"day";r=0;t=10`, rules})
		time.Sleep(9*time.Second + 900*time.Millisecond)
		compare(t, h, "a", answer{429, "1", `"day";r=0;t=1`, rules})
		time.Sleep(100 * time.Millisecond)
		compare(t, h, "a", answer{200, "", `"day";r=1;t=86400`, rules})
	})
}

func TestRefusedRequestsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := server(limit.New(limit.Config{}), &caller{principal.Limits{RPS: 1, Burst: 1, PerDay: 2}})
		const rules = `"rate";q=1;w=1, "day";q=2;w=86400`
		compare(t, h, "a", answer{200, "", `"rate";r=0;t=1, "day";r=1;t=86400`, rules})
		for range 5 {
			compare(t, h, "a", answer{429, "1", `"rate";r=0;t=1, "day";r=1;t=86400`, rules})
		}
		time.Sleep(time.Second)
		compare(t, h, "a", answer{200, "", `"rate";r=0;t=1, "day";r=0;t=86399`, rules})
		time.Sleep(time.Second)
		for range 2 {
			compare(t, h, "a", answer{429, "86398", `"rate";r=1;t=0, "day";r=0;t=86398`, rules})
		}
	})
}

func TestLimitsMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &caller{principal.Limits{RPS: 1, Burst: 10}}
		h := server(limit.New(limit.Config{}), c)
		compare(t, h, "a", answer{200, "", `"rate";r=9;t=1`, `"rate";q=10;w=10`})
		c.limits = principal.Limits{RPS: 2, Burst: 2, PerDay: 5}
		compare(t, h, "a", answer{200, "", `"rate";r=1;t=1, "day";r=3;t=86400`, `"rate";q=2;w=1, "day";q=5;w=86400`})
		c.limits = principal.Limits{}
		compare(t, h, "a", answer{Status: 200})
	})
}

func TestNotCounted(t *testing.T) {
	c := &caller{}
	h := server(limit.New(limit.Config{}), c)
	for range 100 {
		compare(t, h, "unlimited", answer{Status: 200})
	}
	c.limits = principal.Limits{RPS: 1, Burst: 1}
	compare(t, h, "", answer{Status: 401})
}

func TestRefusal(t *testing.T) {
	h := server(limit.New(limit.Config{}), &caller{principal.Limits{RPS: 1}}) // without burst, one at a time
	ask(h, "a")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Api-Key", "a")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	want := `"severity":"error","code":"throttled"`
	if got := w.Body.String(); w.Code != 429 || !strings.Contains(got, want) {
		t.Errorf("got %d %s, want 429 with %s", w.Code, got, want)
	}
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst, quota, each = 50, 70, 100
		h := server(limit.New(limit.Config{}), &caller{principal.Limits{RPS: 1e-6, Burst: burst, PerDay: quota}})
		var clients sync.WaitGroup
		var admitted [4]atomic.Int64
		for n := range len(admitted) * each {
			clients.Go(func() {
				if ask(h, fmt.Sprint("client", n%len(admitted))).Status == 200 {
					admitted[n%len(admitted)].Add(1)
				}
			})
		}
		clients.Wait()
		for i := range admitted {
			if got := admitted[i].Load(); got != burst {
				t.Errorf("client %d: got %d of %d requests admitted, want %d", i, got, each, burst)
			}
		}
	})
}

func TestForgetsWhoHasNotCalledForLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := server(limit.New(limit.Config{MaxClients: 2}), &caller{principal.Limits{PerDay: 1}})
		for _, test := range []struct {
			key  string
			want int
		}{
			{"a", 200}, {"b", 200}, {"a", 429}, {"c", 200}, {"a", 429}, {"c", 429}, {"b", 200}, {"a", 200},
		} {
			if got := ask(h, test.key).Status; got != test.want {
				t.Errorf("%s: got %d, want %d", test.key, got, test.want)
			}
		}
	})
}

func TestWithoutHandlerItLimitsAllTheSame(t *testing.T) {
	authenticate := limit.New(limit.Config{}).Authenticate((&caller{principal.Limits{PerDay: 1}}).authenticate)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Api-Key", "a")
	if _, err := authenticate(r); err != nil {
		t.Errorf("got %v, want the first request admitted", err)
	}
	if _, err := authenticate(r); fhir.CodeOf(err) != fhir.CodeThrottled {
		t.Errorf("got %v, want %s", err, fhir.CodeThrottled)
	}
}

// TestStrangersTryNoLonger: a thousand requests in a minute that prove nothing are told to wait, by their network; who
// proves something is admitted from the same address (RELIABILITY D29).
func TestStrangersTryNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := server(limit.New(limit.Config{}), &caller{})
		from := func(address, key string) int {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = address
			r.Header.Set("X-Api-Key", key)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if (w.Code == http.StatusTooManyRequests) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("got %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			return w.Code
		}
		for _, network := range []struct{ first, second, other string }{
			{"192.0.2.1:1000", "192.0.2.1:2000", "192.0.2.2:1000"},
			{"[2001:db8::1]:1000", "[2001:db8::ffff:2]:1000", "[2001:db8:0:1::1]:1000"},
			{"[::ffff:198.51.100.1]:1", "198.51.100.1:2", "198.51.100.2:1"},
		} {
			got := map[int]int{}
			for range 1000 {
				got[from(network.first, "")]++
				time.Sleep(60 * time.Millisecond)
			}
			if got[http.StatusUnauthorized] < 100 || got[http.StatusUnauthorized] > 165 || got[http.StatusTooManyRequests] != 1000-got[http.StatusUnauthorized] {
				t.Errorf("%s: got %v, want 401 about 160 times, and then 429", network.first, got)
			}
			for from(network.first, "") != http.StatusTooManyRequests { // which takes what is left
			}
			for _, want := range []struct {
				address, key string
				status       int
			}{
				{network.second, "", http.StatusTooManyRequests},
				{network.first, "a", http.StatusOK},
				{network.other, "", http.StatusUnauthorized},
			} {
				if got := from(want.address, want.key); got != want.status {
					t.Errorf("%s with key %q: got %d, want %d", want.address, want.key, got, want.status)
				}
			}
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	l := limit.New(limit.Config{})
	h := l.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := l.Authenticate((&caller{principal.Limits{RPS: 1e9, Burst: 1e9, PerDay: 1e9}}).authenticate)(r); err != nil {
			b.Error(err)
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Api-Key", "a")
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
