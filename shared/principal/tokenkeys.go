package principal

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of what is taken from an issuer of tokens.
const (
	keysEvery   = 10 * time.Minute // how long an issuer's keys are used before it is asked again
	keysRotate  = 10 * time.Second // how often it is asked at most when a token names a key that is not known
	keysKept    = 24 * time.Hour   // how long they are used while it does not answer
	maxKeys     = 100
	maxMetadata = 256 << 10 // bytes of each document
)

// signingKeys are the public keys with which an issuer signs, by their ids.
type signingKeys map[string]any

// parseSigningKeys returns the keys of a JWK Set (RFC 7517 §5) that may sign tokens; others are nobody's concern here.
func parseSigningKeys(document []byte) (signingKeys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("not a JWK Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, errors.New("there are more than 100 keys")
	}
	keys := signingKeys{}
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err != nil || key.KeyID == "" || key.Use != "" && key.Use != "sig" || !strong(key.Key) {
			continue
		}
		keys[key.KeyID] = key.Key
	}
	if len(keys) == 0 {
		return nil, errors.New("no key has an id and may verify signatures")
	}
	return keys, nil
}

// strong tells whether key is a public one that is not known to be weak.
func strong(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048 && key.E > 1
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 256
	}
	return false
}

// discovery is the Source of an issuer's keys: its metadata (OpenID Connect Discovery 1.0 §4) say where they are.
type discovery struct {
	issuer string
	client *http.Client
}

func newDiscovery(issuer string) discovery {
	return discovery{issuer, &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it says where they are
	}}
}

// Read returns the issuer's JWK Set. Versions are not used: two small documents every few minutes.
func (d discovery) Read(ctx context.Context, _ string) (document []byte, version string, err error) {
	text, err := d.get(ctx, strings.TrimSuffix(d.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, "", err
	}
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &metadata); err != nil || metadata.Issuer != d.issuer || !trustworthy(metadata.Keys) {
		return nil, "", errors.New("the issuer's metadata name another issuer, or no https URL of its keys")
	}
	document, err = d.get(ctx, metadata.Keys)
	return document, "", err
}

func (d discovery) get(ctx context.Context, where string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	response, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("the issuer answers " + response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, maxMetadata)) // of what is longer a part remains, which is no JSON
}

// trustworthy tells whether what lies at address cannot be changed on its way here.
func trustworthy(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && OnLoopback(u.Host))
}
