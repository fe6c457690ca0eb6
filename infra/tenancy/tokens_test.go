package tenancy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer issues bearer tokens, on loopback.
type issuer struct {
	url    string
	signer jose.Signer
}

const audience = "https://referral.example"

func newIssuer(t testing.TB) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "1"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	serve := func(path string, document any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) })
	}
	serve("/.well-known/openid-configuration", map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
	serve("/keys", jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	return issuer{server.URL, signer}
}

// token returns one of a client with its scopes, which lasts for so long.
func (i issuer) token(t testing.TB, client, scope string, lasts time.Duration) string {
	t.Helper()
	ends := time.Now().Add(lasts)
	token, err := jwt.Signed(i.signer).Claims(map[string]any{
		"iss": i.url, "aud": audience, "sub": client, "azp": client, "scope": scope, "iat": ends.Add(-time.Hour).Unix(), "exp": ends.Unix(),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
