package principal

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Authenticate returns who sent r. The error is a *fhir.Error: with code login when a proof is missing or worthless,
// which are told apart for operators only; expired for a token that was good; forbidden when the client is suspended,
// does not call from where it has to, or shows proofs of two organisations; transient when a token cannot be checked
// now. Keys are looked up by digest, so that timing says nothing about them.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	registry := a.registry.get()
	if token, found, err := bearer(r); found && a.tokens != nil {
		if err != nil {
			return Principal{}, refuse(err)
		}
		return a.byToken(r, registry, token)
	}
	keys := r.Header.Values("X-Api-Key")
	client, key := registry.byKey(keys, a.pepper, a.clock())
	if client == nil && (a.proofs != ByCertificate || len(keys) > 0) {
		return Principal{}, a.login("An API key of a known client is needed in the header x-api-key", errors.New("there is no key of a known client"))
	}
	shown := a.certificate(r, registry)
	switch {
	case shown.belies(client):
		return Principal{}, a.alarm(r, client, shown, "an API key")
	case shown.err != nil && a.proofs != ByKey:
		return Principal{}, a.login("A client certificate of a known organisation is needed", shown.err)
	case client == nil:
		client = shown.client
	}
	if client == nil {
		return Principal{}, a.login("A client certificate of a known client is needed",
			errors.New("no client of the organisation has NASH certificates in the registry"))
	}
	p, err := client.admit(r)
	if err == nil && key != nil {
		a.used.tell(r.Context(), a.watch, client, key)
	}
	return p, err
}

// Knows tells whether an organisation has a client in the registry, so that somebody could read what is addressed to it.
func (a *Authenticator) Knows(org string) bool { return a.registry.get().orgs[org] }

// byToken returns who sent r with token. A certificate is not needed beside it, but must not belie it.
func (a *Authenticator) byToken(r *http.Request, registry *Registry, token string) (Principal, error) {
	g, err := a.tokens.verify(token, a.clock())
	if err != nil {
		return Principal{}, refuse(err)
	}
	client, err := registry.byToken(g)
	if err != nil {
		return Principal{}, refuse(err)
	}
	if shown := a.certificate(r, registry); shown.belies(client) {
		return Principal{}, a.alarm(r, client, shown, "a bearer token")
	}
	p, err := client.admit(r)
	p.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), func(s Scope) bool { return !slices.Contains(g.scopes, s) })
	return p, err
}

// login returns the refusal of who has proved nothing; err is why, for operators.
func (a *Authenticator) login(details string, err error) error {
	if a.tokens != nil {
		err = refusal{err, `Bearer, ApiKey header="x-api-key"`}
	}
	return fhir.NewError(fhir.CodeLogin, "", details).WithCause(err)
}

// errNoCertificate says that the connection has none.
var errNoCertificate = errors.New("the connection has no client certificate")

// certified is what the certificate of a connection says.
type certified struct {
	proof  proof
	org    string  // for which it stands
	client *Client // of org, whose it is; nil: nobody's in particular
	err    error   // why it says nothing
}

// certificate returns what the certificate of r's connection says.
func (a *Authenticator) certificate(r *http.Request, registry *Registry) (c certified) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return certified{err: errNoCertificate}
	}
	if c.proof, c.err = a.verifier.verify(r.TLS.PeerCertificates[0], a.clock()); c.err != nil {
		return c
	}
	if c.org, c.client = registry.byCertificate(c.proof); c.org == "" {
		c.err = errors.New("the certificate is nobody's in the registry")
	}
	return c
}

// belies tells whether c and client, if there is one, are of different organisations.
func (c certified) belies(client *Client) bool {
	return c.err == nil && client != nil && client.Org != c.org
}

// alarm tells operators of proofs that cannot be one caller's: what, of client, or a certificate is in wrong hands. It
// returns what the caller is told.
func (a *Authenticator) alarm(r *http.Request, client *Client, shown certified, what string) error {
	a.log.LogAttrs(r.Context(), slog.LevelError, "ALARM: a client certificate and "+what+" of different organisations came together",
		slog.String("org", client.Org), slog.String("client", client.Name), slog.String("certificateOrg", shown.org),
		slog.String("certificate", hex.EncodeToString(shown.proof.thumbprint[:])), slog.String("remote", r.RemoteAddr))
	return fhir.NewError(fhir.CodeForbidden, "", "The client certificate is of another organisation than "+what+" beside it")
}

// byKey returns whose the only key is, and what the registry knows of it; or nil.
func (r *Registry) byKey(keys []string, pepper []byte, now time.Time) (*Client, *Key) {
	if len(keys) != 1 || keys[0] == "" {
		return nil, nil
	}
	known, ok := r.keys[sha256.Sum256([]byte(keys[0]))]
	if !ok && len(pepper) > 0 {
		known, ok = r.peppered[keyed(keys[0], pepper)]
	}
	if !ok || !known.Live(now) {
		return nil, nil
	}
	return known.client, &known.Key
}

// byCertificate returns the organisation for which p stands, or "", and whose client's certificate it is, which nobody
// has to be for a NASH certificate. A thumbprint is of one certificate, whoever has issued it; a subject counts only
// where a pinned issuer has.
func (r *Registry) byCertificate(p proof) (org string, client *Client) {
	client = r.thumbprints[p.thumbprint]
	switch {
	case p.hpio != "" && client != nil && client.Org != p.hpio:
		return "", nil // somebody has mapped it to an organisation that it belies
	case p.hpio != "":
		return p.hpio, cmp.Or(client, r.nash[p.hpio])
	case client == nil && p.issuer != nil:
		client = r.subjects[p.of]
	}
	if client == nil {
		return "", nil
	}
	return client.Org, client
}

// admit returns the principal of c unless c may not call now or from there.
func (c *Client) admit(r *http.Request) (Principal, error) {
	switch {
	case c.Suspended:
		return Principal{}, fhir.NewError(fhir.CodeForbidden, "", "This client is suspended; ask the operator of this server")
	case !c.comesFrom(r.RemoteAddr):
		return Principal{}, fhir.NewError(fhir.CodeForbidden, "", "This client may not call from this address")
	}
	p := Principal{Org: c.Org, Client: c.Name, Scopes: c.Scopes, Limits: Limits{PerDay: c.Quota}, OwnRequests: c.OwnRequests}
	if c.Rate != nil {
		p.Limits.RPS, p.Limits.Burst = c.Rate.RPS, c.Rate.Burst
	}
	return p, nil
}

// comesFrom tells whether c may call from remote, an address and port, as the connection or AWS has it.
func (c *Client) comesFrom(remote string) bool {
	if len(c.CIDRs) == 0 {
		return true
	}
	address, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(c.CIDRs, func(p netip.Prefix) bool {
		return p.Contains(address.Addr().Unmap().WithZone(""))
	})
}
