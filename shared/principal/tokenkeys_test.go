package principal_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestTokenKeysRotate: a new key counts at once, and whoever invents ids of keys does not make the issuer busy.
func TestTokenKeysRotate(t *testing.T) {
	i, c := newIssuer(t), newClock()
	old := i.adds(t, "k1")
	a := withTokens(t, i, func(config *principal.Config) { config.Clock = c.Now })
	ofOld := old.sign(t, i.claims(nil))
	check(t, a, bearing(ofOld), "reception", "")
	c.advance(10 * time.Second)
	i.change(func() { i.keys = nil })
	fresh := i.adds(t, "k2")
	ofFresh := fresh.sign(t, i.claims(nil))
	check(t, a, bearing(ofFresh), "reception", "")
	check(t, a, bearing(ofOld), "", fhir.CodeLogin)
	asked := i.timesAsked()
	invented := signer{"k3", jose.ES256, newKey(t)}.sign(t, i.claims(nil))
	for range 100 {
		check(t, a, bearing(invented), "", fhir.CodeLogin)
		c.advance(100 * time.Millisecond)
	}
	if got := i.timesAsked() - asked; got > 1 {
		t.Errorf("the issuer was asked %d times in 10 s, want once", got)
	}
	i.change(func() { i.keys = nil })
	i.adds(t, "k4")
	check(t, a, bearing(ofFresh), "reception", "")
	c.advance(10 * time.Minute) // nobody has named another key
	check(t, a, bearing(ofFresh), "", fhir.CodeLogin)
	again := i.adds(t, "k5")
	c.advance(10 * time.Second)
	check(t, a, bearing(again.sign(t, i.claims(nil))), "reception", "")
	i.change(func() { i.keys = nil })
	ofAgain, another := again.sign(t, i.claims(nil)), i.adds(t, "k5") // of the same id
	check(t, a, bearing(ofAgain), "reception", "")
	c.advance(10 * time.Minute)
	check(t, a, bearing(ofAgain), "", fhir.CodeLogin)
	check(t, a, bearing(another.sign(t, i.claims(nil))), "reception", "")
}

// TestTokenIssuerAway: who has been known stays so for a day; before that and after, nobody can be known by a token.
func TestTokenIssuerAway(t *testing.T) {
	i, c := newIssuer(t), newClock()
	key := i.adds(t, "k1")
	i.status = http.StatusBadGateway
	a := withTokens(t, i, func(config *principal.Config) { config.Clock = c.Now })
	token := key.sign(t, i.claims(object{"exp": now.Add(100 * time.Hour).Unix()}))
	check(t, a, bearing(token), "", fhir.CodeTransient)
	check(t, a, request("key"), "reception", "")
	i.change(func() { i.status = http.StatusOK })
	check(t, a, bearing(token), "", fhir.CodeTransient) // it has just been asked
	c.advance(10 * time.Second)
	check(t, a, bearing(token), "reception", "")
	i.change(func() { i.status = http.StatusFound }) // nobody is led elsewhere
	c.advance(24 * time.Hour)
	check(t, a, bearing(token), "reception", "")
	c.advance(time.Second)
	check(t, a, bearing(token), "", fhir.CodeTransient)
	i.change(func() { i.status = http.StatusOK })
	c.advance(10 * time.Second)
	check(t, a, bearing(token), "reception", "")
	c.advance(80 * time.Hour)
	check(t, a, bearing(token), "", fhir.CodeExpired)
}

func TestUntrustworthyIssuers(t *testing.T) {
	for name, change := range map[string]func(*issuer){
		"names another": func(i *issuer) { i.metadata["issuer"] = "https://zqx.example" },
		"keys over HTTP": func(i *issuer) {
			i.metadata["jwks_uri"] = strings.Replace(i.metadata["jwks_uri"].(string), "127.0.0.1", "localhost", 1)
		},
		"keys nowhere":     func(i *issuer) { delete(i.metadata, "jwks_uri") },
		"large metadata":   func(i *issuer) { i.metadata["zqx"] = strings.Repeat("z", 256<<10) },
		"many keys":        func(i *issuer) { i.keys = append(i.keys, make([]any, 100)...) },
		"no key":           func(i *issuer) { i.keys = nil },
		"keys of no shape": func(i *issuer) { i.keys = []any{object{"kid": "k1"}} },
	} {
		i := newIssuer(t)
		key := i.adds(t, "k1")
		change(i)
		t.Run(name, func(t *testing.T) {
			check(t, withTokens(t, i), bearing(key.sign(t, i.claims(nil))), "", fhir.CodeTransient)
		})
	}
	registry := &text{document: document(withKey(sender, "one", "a"))}
	of := func(issuer string) *text {
		return &text{document: document(client(sender, "one", `"tokens": [{"issuer": "`+issuer+`", "orgClaim": true}]`))}
	}
	for want, c := range map[string]principal.Config{
		"an issuer is an https URL":      {Registry: registry, Tokens: principal.Tokens{Issuers: []string{"http://zqx.example"}, Audiences: []string{"a"}}},
		"the audience of tokens":         {Registry: registry, Tokens: principal.Tokens{Issuers: []string{"https://zqx.example"}}},
		"an issuer is needed":            {Registry: registry, Tokens: principal.Tokens{OrgClaim: "hpio"}},
		"tokens of an issuer, or by":     {Registry: of("https://a.example")},
		"or by a claim, that is not set": {Registry: of("https://a.example"), Tokens: principal.Tokens{Issuers: []string{"https://a.example"}, Audiences: []string{"a"}}},
	} {
		if _, err := principal.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
