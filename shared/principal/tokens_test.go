package principal_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestTokens: as SMART has them, and as Entra ID and Cognito write theirs.
func TestTokens(t *testing.T) {
	i := newIssuer(t)
	key, a := i.adds(t, "k1"), withTokens(t, i)
	for _, test := range []struct {
		name    string
		changes object
		want    string // client and scopes
	}{
		{"SMART", object{"azp": nil, "sub": "app-1", "scope": "system/*.crus"}, "reception submit read"},
		{"RFC 9068", object{"azp": nil, "client_id": "app-1", "scope": "system/ServiceRequest.rs other"}, "reception read"},
		{"Entra v1", object{"azp": nil, "appid": "app-1", "scope": nil, "roles": []string{"read", "fill"}}, "reception read fill"},
		{"Entra v2", object{"scope": nil, "roles": []string{"submit", "Other.All"}, "aud": []string{"other", audience}}, "reception submit"},
		{"Cognito", object{"azp": nil, "aud": nil, "sub": "app-1", "client_id": "app-1", "token_use": "access", "scope": "referrals/submit referrals/read other/fill fill"}, "reception submit read"},
		{"Cognito with an audience", object{"azp": nil, "sub": "app-1", "client_id": "app-1", "token_use": "access", "scope": audience + "/read"}, "reception read"},
		{"more than the client may", object{"scope": "submit read fill operate audit"}, "reception submit read fill"},
		{"nothing that is known", object{"scope": "openid"}, "reception"},
		{"no scope", object{"scope": nil}, "reception"},
		{"organisation's", object{"azp": "anything", "hpio": other}, "clinic submit read"},
		{"organisation's, extension of Entra", object{"azp": "anything", "hpio": []string{other}}, "clinic submit read"},
		{"client's, and its organisation", object{"hpio": sender}, "reception submit read"},
		{"operator's", object{"azp": "app-4", "scope": "operate system/AuditEvent.rs submit"}, "on-call operate audit"},
		{"just ended", object{"exp": now.Add(-29 * time.Second).Unix()}, "reception submit read"},
		{"begins at once", object{"nbf": now.Add(29 * time.Second).Unix(), "iat": now.Add(29 * time.Second).Unix()}, "reception submit read"},
	} {
		p, err := a.Authenticate(bearing(key.sign(t, i.claims(test.changes))))
		got := p.Client
		for _, scope := range p.Scopes {
			got += " " + string(scope)
		}
		if got != test.want || err != nil {
			t.Errorf("%s: got %q, error %v; want %q", test.name, got, err, test.want)
		}
	}
	if got := i.timesAsked(); got != 1 {
		t.Errorf("the issuer was asked %d times, want once", got)
	}
}

func TestTokenAlgorithms(t *testing.T) {
	i, pair := newIssuer(t), newRSA(t, 2048)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signers := map[signer]string{
		{"rsa", jose.RS256, pair}: "reception", {"rsa", jose.RS384, pair}: "reception", {"rsa", jose.PS256, pair}: "reception",
		{"p256", jose.ES256, newKey(t)}: "reception", {"p384", jose.ES384, p384}: "reception",
		{"rsa", jose.RS512, pair}: "", {"p521", jose.ES512, p521}: "", {"weak", jose.RS256, newRSA(t, 1024)}: "",
	}
	for s := range signers {
		i.keys = append(i.keys, s.public())
	}
	a := withTokens(t, i)
	for s, want := range signers {
		check(t, a, bearing(s.sign(t, i.claims(nil))), want, fhir.CodeLogin)
	}
}

// TestTokensRefused: the same is said of all, and nothing of what they hold, not even to operators.
func TestTokensRefused(t *testing.T) {
	i := newIssuer(t)
	key, pair := i.adds(t, "k1"), newRSA(t, 2048)
	encryption := signer{"k3", jose.ES256, newKey(t)}
	forEncryption := encryption.public()
	forEncryption.Use = "enc"
	public := jose.JSONWebKey{Key: pair.Public(), KeyID: "k2"}
	secret := bytes.Repeat([]byte{7}, 32)
	i.keys = append(i.keys, public, forEncryption, jose.JSONWebKey{Key: secret, KeyID: "k4"}, object{"kty": "AKP", "kid": "k5"})
	der, err := x509.MarshalPKIXPublicKey(pair.Public())
	if err != nil {
		t.Fatal(err)
	}
	good := key.sign(t, i.claims(nil))
	parts := strings.Split(good, ".")
	symmetric := func(id string, with []byte) string {
		return signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: with, KeyID: id}}, i.claims(nil))
	}
	embedding, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: newKey(t)}, (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := embedding.Sign([]byte(`{"iss": "` + i.url + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := own.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{
		"no token":                    "",
		"no JWT":                      "zqx",
		"unsigned":                    unsigned(t, object{"alg": "none", "kid": "k1"}, i.claims(nil), ""),
		"unsigned, with a signature":  unsigned(t, object{"alg": "none", "kid": "k1"}, i.claims(nil), parts[2]),
		"unsigned in capitals":        unsigned(t, object{"alg": "NONE", "kid": "k1"}, i.claims(nil), parts[2]),
		"HS256 with the public key":   symmetric("k2", der),
		"HS256 with the JWK's secret": symmetric("k4", secret),
		"signature of another":        signer{"k1", jose.ES256, newKey(t)}.sign(t, i.claims(nil)),
		"signature cut":               good[:len(good)-2],
		"signature of other claims":   parts[0] + "." + strings.Split(key.sign(t, i.claims(object{"sub": "x"})), ".")[1] + "." + parts[2],
		"a key in the header":         embedded,
		"a key for encryption":        encryption.sign(t, i.claims(nil)),
		"unknown key":                 signer{"k9", jose.ES256, newKey(t)}.sign(t, i.claims(nil)),
		"no key's id":                 signer{"", jose.ES256, key.key}.sign(t, i.claims(nil)),
		"too large":                   key.sign(t, i.claims(object{"groups": strings.Repeat("zqx", 3000)})),
		"JSON in place of compact":    `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"two tokens":                  good + ", " + good,
		"critical extension":          unsigned(t, object{"alg": "ES256", "kid": "k1", "crit": []string{"zqx"}, "zqx": 1}, i.claims(nil), parts[2]),
		"claims twice":                parts[0] + ".eyJpc3MiOiJhIiwiaXNzIjoiYiJ9." + parts[2],
	}
	for name, changes := range map[string]object{
		"another issuer":            {"iss": "https://zqx.example"},
		"an issuer that is away":    {"iss": i.url + "/"},
		"issuer in capitals":        {"iss": strings.ToUpper(i.url)},
		"no issuer":                 {"iss": nil},
		"another audience":          {"aud": "https://zqx.example"},
		"a part of the audience":    {"aud": audience + "/zqx"},
		"no audience":               {"aud": nil},
		"Cognito, another audience": {"aud": "https://zqx.example", "token_use": "access", "scope": audience + "/read"},
		"ID token of Cognito":       {"aud": nil, "token_use": "id"},
		"ID token with an audience": {"token_use": "id"},
		"not yet":                   {"nbf": now.Add(31 * time.Second).Unix()},
		"from the future":           {"iat": now.Add(31 * time.Second).Unix()},
		"without end":               {"exp": nil},
		"end that is none":          {"exp": "zqx"},
		"a person's, of Entra":      {"scp": "submit"},
		"a person's, of Cognito":    {"azp": nil, "aud": nil, "sub": "person", "client_id": "app-1", "token_use": "access", "scope": "referrals/read"},
		"for the holder of a key":   {"cnf": object{"jkt": "zqx"}},
		"an unknown client":         {"azp": "zqx"},
		"no client":                 {"azp": nil, "sub": nil},
		"missing organisation":      {"azp": "zqx", "hpio": ""},
		"two organisations":         {"azp": "zqx", "hpio": []string{other, sender}},
		"organisation no string":    {"azp": "zqx", "hpio": object{"zqx": 1}},
		"unknown organisation":      {"azp": "zqx", "hpio": sender},
		"another's organisation":    {"hpio": other},
	} {
		tokens[name] = key.sign(t, i.claims(changes))
	}
	var log bytes.Buffer
	a := withTokens(t, i, func(c *principal.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	check(t, a, bearing(good), "reception", "")
	requests := map[string]*http.Request{"key beside it": bearing(good), "two headers": bearing(good), "Basic beside it": bearing(good)}
	requests["key beside it"].Header.Set("X-Api-Key", "key")
	requests["two headers"].Header.Add("Authorization", "Bearer "+good)
	requests["Basic beside it"].Header.Add("Authorization", "Basic eg==")
	for name, token := range tokens {
		requests[name] = bearing(token)
	}
	want := []fhir.Issue{{Severity: "error", Code: "login", Details: "A good bearer token of a known client is needed, and no other credential beside it"}}
	for name, r := range requests {
		p, err := a.Authenticate(r)
		e, ok := errors.AsType[*fhir.Error](err)
		if !ok || p.Client != "" {
			t.Errorf("%s: got client %q, error %v; want a refusal", name, p.Client, err)
			continue
		}
		if diff := cmp.Diff(want, e.Issues); diff != "" || fhirhttp.Status(e) != http.StatusUnauthorized || challenge(err) != `Bearer error="invalid_token"` {
			t.Errorf("%s: got status %d, %s, issues (-want +got):\n%s", name, fhirhttp.Status(e), challenge(err), diff)
		}
		if strings.Contains(err.Error(), "zqx") || strings.Contains(err.Error(), parts[1]) {
			t.Errorf("%s: the error for operators quotes the token: %v", name, err)
		}
	}
	if strings.Contains(log.String(), "zqx") || strings.Contains(log.String(), parts[2]) {
		t.Errorf("the log quotes a token: %s", &log)
	}
}

// challenge is the WWW-Authenticate of err.
func challenge(err error) string {
	c, _ := errors.AsType[interface {
		error
		Challenge() string
	}](err)
	if c == nil {
		return ""
	}
	return c.Challenge()
}

func TestTokenRefusalsThatHelp(t *testing.T) {
	i := newIssuer(t)
	key, a := i.adds(t, "k1"), withTokens(t, i)
	check(t, a, bearing(key.sign(t, i.claims(object{"exp": now.Add(-31 * time.Second).Unix()}))), "", fhir.CodeExpired)
	check(t, a, bearing(key.sign(t, i.claims(object{"azp": "app-2"}))), "", fhir.CodeForbidden)
	check(t, a, bearing(key.sign(t, i.claims(object{"azp": "app-3"}))), "", fhir.CodeForbidden)
	if _, err := a.Authenticate(request()); challenge(err) != `Bearer, ApiKey header="x-api-key"` {
		t.Errorf("got %q for no proof at all", challenge(err))
	}
	check(t, a, request("key"), "reception", "")
	basic := request("key")
	basic.Header.Set("Authorization", "Basic eg==") // of somebody on the way
	check(t, a, basic, "reception", "")
	without := open(t, principal.Config{Registry: &text{document: document(withKey(sender, "one", "key"))}})
	check(t, without, bearing(key.sign(t, i.claims(nil))), "", fhir.CodeLogin)
	lower := request()
	lower.Header.Set("Authorization", "bearer "+key.sign(t, i.claims(nil)))
	check(t, a, lower, "reception", "")
}

// TestCertificateBesideAToken: it need not be there, but is of the same organisation when it is.
func TestCertificateBesideAToken(t *testing.T) {
	i, ca := newIssuer(t), newAuthority(t, "CA")
	key := i.adds(t, "k1")
	var log bytes.Buffer
	a := withTokens(t, i, func(c *principal.Config) {
		c.NASH, c.CRLs, c.Log = []*x509.Certificate{ca.certificate}, []principal.Source{ca.current(t)}, slog.New(slog.NewTextHandler(&log, nil))
	})
	token := key.sign(t, i.claims(nil))
	for _, test := range []struct {
		name        string
		certificate *x509.Certificate
		want        string
	}{
		{"same organisation", ca.issue(t, nashName(sender, sender)), "reception"},
		{"another organisation", ca.issue(t, nashName(other, other)), ""},
		{"nobody's", newAuthority(t, "CA").issue(t, nashName(other, other)), "reception"},
	} {
		check(t, a, with(bearing(token), test.certificate), test.want, fhir.CodeForbidden)
	}
	if got := strings.Count(log.String(), "ALARM: a client certificate and a bearer token"); got != 1 {
		t.Errorf("got %d alarms, want 1: %s", got, &log)
	}
}

// FuzzBearer: whatever is sent as a token, nothing breaks and nobody is known but who holds a good one.
func FuzzBearer(f *testing.F) {
	i := newIssuer(f)
	key, a := i.adds(f, "k1"), withTokens(f, i)
	f.Add(key.sign(f, i.claims(nil)))
	f.Add(key.sign(f, i.claims(object{"hpio": []string{other}, "aud": nil, "token_use": "access"})))
	f.Add(unsigned(f, object{"alg": "none"}, i.claims(nil), ""))
	f.Fuzz(func(t *testing.T, token string) {
		p, err := a.Authenticate(bearing(token))
		if err == nil && p.Client != "reception" || err != nil && fhir.CodeOf(err) != fhir.CodeLogin {
			t.Errorf("got client %q, error %v", p.Client, err)
		}
	})
}
