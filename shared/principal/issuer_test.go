package principal_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

const audience = "https://referrals.example"

type object = map[string]any

// issuer is who issues tokens in a test, on loopback.
type issuer struct {
	url string

	mu       sync.Mutex // guards what follows
	metadata object
	keys     []any // of the JWK Set
	status   int
	asked    int // for the keys
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{status: http.StatusOK}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tenant/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.answer(w, r, i.metadata)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked++
		i.answer(w, r, object{"keys": i.keys})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL + "/tenant/v2.0"
	i.metadata = object{"issuer": i.url, "jwks_uri": server.URL + "/keys"}
	return i
}

func (i *issuer) answer(w http.ResponseWriter, r *http.Request, body any) {
	if r.URL.RawQuery == "" {
		w.Header().Set("Location", "?elsewhere") // for status 302: what is there is good
		w.WriteHeader(i.status)
	}
	_ = json.NewEncoder(w).Encode(body)
}

// change makes i another one than it was.
func (i *issuer) change(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

func (i *issuer) timesAsked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// signer is a key of an issuer, with the algorithm that it is for.
type signer struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       crypto.Signer
}

// public is the key as a JWK Set has it.
func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id, Use: "sig"}
}

// sign returns a token with claims.
func (s signer) sign(t testing.TB, claims object) string {
	t.Helper()
	return signed(t, jose.SigningKey{Algorithm: s.algorithm, Key: jose.JSONWebKey{Key: s.key, KeyID: s.id}}, claims)
}

func signed(t testing.TB, key jose.SigningKey, claims object) string {
	t.Helper()
	s, err := jose.NewSigner(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// adds gives i another key of this id, and returns it.
func (i *issuer) adds(t testing.TB, id string) signer {
	t.Helper()
	s := signer{id, jose.ES256, newKey(t)}
	i.change(func() { i.keys = append(i.keys, s.public()) })
	return s
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// claims are those of a good token of i, with changes; a nil one is left out.
func (i *issuer) claims(changes object) object {
	c := object{
		"iss": i.url, "aud": audience, "sub": "zqx-subject", "azp": "app-1", "scope": "system/*.crus",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "zqx-id",
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
	return c
}

// unsigned returns a token with nothing or anything for a signature.
func unsigned(t testing.TB, header, claims object, signature string) string {
	t.Helper()
	token := ""
	for _, part := range []object{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		token += base64.RawURLEncoding.EncodeToString(text) + "."
	}
	return token + signature
}

// withTokens is who knows the clients of i: app-1 is reception, of sender, app-2 is suspended, and other's tokens name it.
func withTokens(t testing.TB, i *issuer, change ...func(*principal.Config)) *principal.Authenticator {
	t.Helper()
	of := `"issuer": "` + i.url + `"`
	c := principal.Config{
		Registry: &text{document: document(
			`{"org": "`+sender+`", "client": "reception", "scopes": ["submit", "read", "fill"], "keys": ["`+digest("key")+`"], "tokens": [{`+of+`, "client": "app-1"}]}`,
			client(sender, "suspended", `"suspended": true, "tokens": [{`+of+`, "client": "app-2"}]`),
			client(sender, "at-home", `"cidrs": ["203.0.113.0/24"], "tokens": [{`+of+`, "client": "app-3"}]`),
			client(other, "clinic", `"tokens": [{`+of+`, "orgClaim": true}], "certificates": [{"nash": true}]`),
			`{"org": "operator", "client": "on-call", "scopes": ["operate", "audit"], "tokens": [{`+of+`, "client": "app-4"}]}`,
		)},
		Tokens: principal.Tokens{Issuers: []string{"https://another.example", i.url}, Audiences: []string{audience, "referrals"}, OrgClaim: "hpio"},
	}
	for _, change := range change {
		change(&c)
	}
	return open(t, c)
}

func bearing(token string) *http.Request {
	r := request()
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}
