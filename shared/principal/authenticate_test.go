package principal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// text is a Source in memory.
type text struct {
	mu       sync.Mutex // guards what follows
	document string
	err      error
	reads    int
}

func (s *text) Read(context.Context, string) ([]byte, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return []byte(s.document), "", s.err
}

func (s *text) set(document string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.document, s.err = document, err
}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func newClock() *clock { return &clock{now: now} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t testing.TB, c principal.Config) *principal.Authenticator {
	t.Helper()
	if c.Clock == nil {
		c.Clock = newClock().Now
	}
	a, err := principal.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(keys ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/fhir", nil)
	for _, key := range keys {
		r.Header.Add("x-api-key", key)
	}
	return r
}

// check holds who a knows as the sender of r: the client want, or nobody for the reason code.
func check(t testing.TB, a *principal.Authenticator, r *http.Request, want string, code fhir.Code) {
	t.Helper()
	got, err := a.Authenticate(r)
	if got.Client != want || (err == nil) != (want != "") {
		t.Errorf("got client %q, error %v; want %q", got.Client, err, want)
	}
	if err != nil && fhir.CodeOf(err) != code {
		t.Errorf("got code %s (%v), want %s", fhir.CodeOf(err), err, code)
	}
}

func TestDevelopmentClients(t *testing.T) {
	for _, test := range []struct {
		name string
		keys []string
		want string
	}{
		{"sender", []string{"dev-sender"}, "dev-sender"},
		{"recipient", []string{"dev-recipient"}, "dev-recipient"},
		{"unrelated", []string{"dev-other"}, "dev-other"},
		{"operator", []string{"dev-operator"}, "dev-operator"},
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"unknown", []string{"dev-sender "}, ""},
		{"two", []string{"dev-sender", "dev-sender"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, principal.Development(), request(test.keys...), test.want, fhir.CodeLogin)
		})
	}
}

func TestPrincipalOfAKey(t *testing.T) {
	a := open(t, principal.Config{Registry: &text{document: document(
		client(sender, "reception", `"keys": ["`+digest("old")+`", "`+digest("new")+`"], "rate": {"rps": 2.5, "burst": 5}, "quota": 100`),
	)}})
	want := principal.Principal{
		Org: sender, Client: "reception", Scopes: []principal.Scope{principal.Submit, principal.Read},
		Limits: principal.Limits{RPS: 2.5, Burst: 5, PerDay: 100},
	}
	for _, key := range []string{"old", "new"} {
		got, err := a.Authenticate(request(key))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: got error %v, principal (-want +got):\n%s", key, err, diff)
		}
	}
	check(t, a, request(digest("old")), "", fhir.CodeLogin)
}

// TestKeysExpire: at the instant, and without anybody's reading the registry again.
func TestKeysExpire(t *testing.T) {
	c := newClock()
	registry := &text{document: document(client(sender, "reception",
		`"keys": ["`+digest("new")+`", {"digest": "`+digest("old")+`", "expires": "2026-06-01T22:01:00+10:00"}, {"digest": "`+digest("older")+`", "expires": "2026-05-01T00:00:00Z"}]`))}
	a := open(t, principal.Config{Registry: registry, Clock: c.Now})
	check(t, a, request("older"), "", fhir.CodeLogin)
	check(t, a, request("old"), "reception", "")
	c.advance(time.Minute - time.Nanosecond)
	check(t, a, request("old"), "reception", "")
	c.advance(time.Nanosecond)
	check(t, a, request("old"), "", fhir.CodeLogin)
	check(t, a, request("new"), "reception", "")
}

func TestPepper(t *testing.T) {
	pepper, another := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	registry := &text{document: document(client(sender, "reception", `"keys": ["`+principal.Digest("new", pepper)+`", "`+digest("old")+`"]`))}
	a := open(t, principal.Config{Registry: registry, Pepper: pepper})
	check(t, a, request("new"), "reception", "")
	check(t, a, request("old"), "reception", "")
	check(t, a, request(strings.TrimPrefix(principal.Digest("new", pepper), "hmac:")), "", fhir.CodeLogin)
	check(t, open(t, principal.Config{Registry: registry, Pepper: another}), request("new"), "", fhir.CodeLogin)
	if _, err := principal.Open(t.Context(), principal.Config{Registry: registry}); err == nil || !strings.Contains(err.Error(), "pepper") {
		t.Errorf("got error %v without a pepper, want one that asks for it", err)
	}
}

// TestAdmission: who is suspended, or does not call from where it has to, is refused, whatever it has proved itself by.
func TestAdmission(t *testing.T) {
	nash, ca, i := newAuthority(t, "NASH"), newAuthority(t, "CA"), newIssuer(t)
	certificate, mapped := nash.issue(t, nashName(sender, sender)), ca.issue(t, pkix.RDNSequence{rdn(commonName, "reception")})
	token := i.adds(t, "k1").sign(t, i.claims(nil))
	thumbprint := sha256.Sum256(mapped.Raw)
	known := `"keys": ["` + digest("a") + `"], "tokens": [{"issuer": "` + i.url + `", "client": "app-1"}], ` +
		`"certificates": [{"nash": true}, {"sha256": "` + hex.EncodeToString(thumbprint[:]) + `"}]`
	for name, proof := range map[string]struct {
		proofs principal.Proofs
		shown  func() *http.Request
	}{
		"key":                 {principal.ByKey, func() *http.Request { return request("a") }},
		"NASH certificate":    {principal.ByCertificate, func() *http.Request { return with(request(), certificate) }},
		"certificate":         {principal.ByCertificate, func() *http.Request { return with(request(), mapped) }},
		"certificate and key": {principal.ByCertificateAndKey, func() *http.Request { return with(request("a"), certificate) }},
		"token":               {principal.ByKey, func() *http.Request { return bearing(token) }},
	} {
		t.Run(name, func(t *testing.T) {
			admit := func(remote, want, more string) {
				t.Helper()
				r := proof.shown()
				r.RemoteAddr = remote
				r.Header.Set("X-Forwarded-For", "203.0.113.7") // anybody's words
				check(t, open(t, principal.Config{
					Registry: &text{document: document(client(sender, "reception", known+more))}, Proofs: proof.proofs,
					NASH: []*x509.Certificate{nash.certificate}, CAs: []*x509.Certificate{ca.certificate},
					CRLs:   []principal.Source{nash.current(t), ca.current(t)},
					Tokens: principal.Tokens{Issuers: []string{i.url}, Audiences: []string{audience}},
				}), r, want, fhir.CodeForbidden)
			}
			const home = `, "cidrs": ["203.0.113.0/24", "2001:db8::/32"]`
			admit("198.51.100.7:0", "reception", "")
			admit("198.51.100.7:0", "reception", `, "suspended": false`)
			admit("198.51.100.7:0", "", `, "suspended": true`)
			admit("203.0.113.7:0", "", `, "suspended": true`+home)
			for remote, want := range map[string]string{
				"203.0.113.7:0": "reception", "[::ffff:203.0.113.7]:9": "reception", "[2001:db8::1]:9": "reception",
				"203.0.114.7:0": "", "[2001:db9::1]:9": "", "": "", "203.0.113.7": "",
			} {
				admit(remote, want, home)
			}
		})
	}
}
