package principal

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Tokens say whose bearer tokens are good: JWTs of backend services (RFC 9068, SMART App Launch 2 backend services), as
// Entra ID and Cognito issue them.
type Tokens struct {
	Issuers   []string // as the claim iss has it, an https URL; also where an issuer's metadata are found
	Audiences []string // the names of this server of which a token needs one
	OrgClaim  string   // the claim with the HPI-O of the caller; empty: there is none
}

const (
	maxToken = 8 << 10 // bytes; Entra's have 2 KB
	leeway   = 30 * time.Second
)

// algorithms are those by whose signature a token is good. None is symmetric: a public key is no secret.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.ES256, jose.ES384, jose.PS256}

// tokenVerifier tells what a bearer token proves. Safe for concurrent use.
type tokenVerifier struct {
	Tokens
	issuers map[string]*watched[signingKeys]

	mu    sync.Mutex
	known map[digest]signedToken // of tokens with a good signature: it costs more than all the rest
}

// signedToken is what an issuer has signed.
type signedToken struct {
	claims
	named map[string]json.RawMessage // all claims
	keyID string
	key   any // with which the signature was found good
}

// newTokenVerifier returns nil for no issuers. They are asked when their first token comes: who is known by a key can
// call while an issuer is away.
func newTokenVerifier(t Tokens, w watch) (*tokenVerifier, error) {
	if len(t.Issuers) == 0 {
		if len(t.Audiences) > 0 || t.OrgClaim != "" {
			return nil, errors.New("an issuer is needed where there is an audience or an organisation's claim")
		}
		return nil, nil
	}
	if len(t.Audiences) == 0 || slices.Contains(t.Audiences, "") {
		return nil, errors.New("the audience of tokens is needed: a token for another server is none for this one")
	}
	w.every = keysEvery
	v := &tokenVerifier{Tokens: t, issuers: map[string]*watched[signingKeys]{}, known: map[digest]signedToken{}}
	for _, issuer := range t.Issuers {
		if !trustworthy(issuer) {
			return nil, errors.New("an issuer is an https URL")
		}
		v.issuers[issuer] = newWatched(w, newDiscovery(issuer), "signing keys of "+issuer, parseSigningKeys)
	}
	return v, nil
}

// knows tells whether a token of holder can be good.
func (v *tokenVerifier) knows(holder tokenHolder) bool {
	return v != nil && v.issuers[holder.issuer] != nil && (holder.org == "" || v.OrgClaim != "")
}

// grant is what a token proves.
type grant struct {
	client tokenHolder // by its id
	org    string      // by the claim, if there is one
	scopes []Scope
}

// The refusals of a token, for operators; they hold nothing of it.
var (
	errNoKeys       = errors.New("the keys of the token's issuer are not known: it has not answered for too long")
	errTokenExpired = errors.New("the token has expired")
)

// verify returns what token proves at now.
func (v *tokenVerifier) verify(token string, now time.Time) (g grant, err error) {
	c, err := v.signed(token)
	if err != nil {
		return g, err
	}
	forUs := slices.ContainsFunc(v.Audiences, c.Audience.Contains)
	if err := c.forSystems(forUs); err != nil {
		return g, err
	}
	if err := c.inTime(now); err != nil {
		return g, err
	}
	client := cmp.Or(c.AuthorizedParty, c.AppID, c.ClientID, c.Subject)
	if client == "" {
		return g, errors.New("the token does not name its client")
	}
	return grant{
		client: tokenHolder{issuer: c.Issuer, client: client},
		org:    organisation(c.named[v.OrgClaim]),
		scopes: scopesOf(slices.Concat(strings.Fields(c.Scope), c.Roles), forUs, v.Audiences),
	}, nil
}

// signed returns what one of the issuers has signed, under a key that it has now.
func (v *tokenVerifier) signed(token string) (s signedToken, err error) {
	if len(token) > maxToken {
		return s, errors.New("the token is too large")
	}
	sum := sha256.Sum256([]byte(token))
	v.mu.Lock()
	s, known := v.known[sum]
	v.mu.Unlock()
	if known {
		if key, err := signingKey(v.issuers[s.Issuer], s.keyID); err != nil || key == s.key {
			return s, err
		}
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return s, errors.New("the token is no JWT with a signature of the kinds that count")
	}
	s = signedToken{keyID: parsed.Headers[0].KeyID}
	if err := parsed.UnsafeClaimsWithoutVerification(&s.claims); err != nil { // which say whose signature it has to be
		return s, errors.New("the token's claims are not of their types")
	}
	keys, known := v.issuers[s.Issuer]
	if !known {
		return s, errors.New("the token's issuer is not one of this server's")
	}
	if s.key, err = signingKey(keys, s.keyID); err != nil {
		return s, err
	}
	if err := parsed.Claims(s.key, &s.named); err != nil {
		return s, errors.New("the token's signature is not its issuer's")
	}
	v.remember(sum, s)
	return s, nil
}

func (v *tokenVerifier) remember(sum digest, s signedToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxKnown {
		clear(v.known)
	}
	v.known[sum] = s
}

// signingKey returns the key with id. When there is none, or all are old, the issuer is asked again, not too often:
// anybody may write any id.
func signingKey(of *watched[signingKeys], id string) (any, error) {
	keys := of.get()
	if keys[id] == nil || of.since(&of.good) > keysKept {
		keys = of.within(keysRotate)
	}
	switch {
	case of.since(&of.good) > keysKept:
		return nil, errNoKeys
	case keys[id] == nil:
		return nil, errors.New("the token's key is not one of its issuer's")
	}
	return keys[id], nil
}

// byToken returns whose g is. Where it names the organisation, too, that has to be the client's.
func (r *Registry) byToken(g grant) (*Client, error) {
	client := r.tokens[g.client]
	if client == nil {
		client = r.tokens[tokenHolder{issuer: g.client.issuer, org: g.org}]
	}
	switch {
	case client == nil:
		return nil, errors.New("the token is nobody's in the registry")
	case g.org != "" && client.Org != g.org:
		return nil, errors.New("the token's organisation is not that of its client in the registry")
	}
	return client, nil
}

// bearer returns the token of r, if it has one. It is an error to show it in company.
func bearer(r *http.Request) (token string, found bool, err error) {
	headers := r.Header.Values("Authorization")
	for _, header := range headers {
		scheme, rest, _ := strings.Cut(header, " ")
		if strings.EqualFold(scheme, "Bearer") {
			token, found = strings.TrimSpace(rest), true
		}
	}
	if found && len(headers)+len(r.Header.Values("X-Api-Key")) > 1 {
		err = errors.New("there is more than one credential")
	}
	return token, found, err
}

// refusal is why a token, or the lack of any proof, is not enough, for operators.
type refusal struct {
	error
	challenge string
}

// Challenge is what HTTP says of it (RFC 6750 §3).
func (r refusal) Challenge() string { return r.challenge }

// refuse returns what a caller is told whose token is refused for err: the same whatever is wrong with it, unless it was
// good and has ended, or cannot be checked now.
func refuse(err error) error {
	if errors.Is(err, errNoKeys) {
		return fhir.NewError(fhir.CodeTransient, "", "").WithCause(err)
	}
	e := fhir.NewError(fhir.CodeLogin, "", "A good bearer token of a known client is needed, and no other credential beside it")
	if errors.Is(err, errTokenExpired) {
		e = fhir.NewError(fhir.CodeExpired, "", "The bearer token has expired")
	}
	return e.WithCause(refusal{err, `Bearer error="invalid_token"`})
}
