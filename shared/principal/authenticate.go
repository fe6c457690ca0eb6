package principal

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Proofs are what a caller has to show.
type Proofs string

// The proofs. A caller who shows a certificate and a key that are not of the same organisation is refused with any.
const (
	ByKey               Proofs = "key"             // the zero value's meaning, too
	ByCertificate       Proofs = "certificate"     // the registry says which client's it is
	ByCertificateAndKey Proofs = "certificate+key" // the key says which client of the certificate's organisation
)

// Config says who is known and by what.
type Config struct {
	Registry Source // of OpenSource
	Proofs   Proofs // empty: ByKey
	Pepper   []byte // of API keys; empty: the registry holds plain digests only

	NASH     []*x509.Certificate // issuers of NASH organisation certificates
	CAs      []*x509.Certificate // issuers of certificates whose subjects the registry maps
	CRLs     []Source            // one of each issuer at least, in PEM or DER
	CRLGrace time.Duration       // how long after its nextUpdate a list is still good

	Reload time.Duration    // how long the registry and lists are used before their sources are asked again; 0: 5 s
	Clock  func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: discard; told of new and bad documents, and alarmed by a proof that belies another
}

// Authenticator knows callers. Safe for concurrent use.
type Authenticator struct {
	proofs   Proofs
	pepper   []byte
	registry *watched[*Registry]
	verifier *verifier
	watch
}

// Open returns an Authenticator. The error says what is wrong with the registry, an issuer or a list: all have to be
// there and good to begin with. From then on, the last good ones are used.
func Open(ctx context.Context, c Config) (*Authenticator, error) {
	a := &Authenticator{proofs: cmp.Or(c.Proofs, ByKey), pepper: c.Pepper}
	a.watch = watch{every: cmp.Or(c.Reload, 5*time.Second), clock: c.Clock, log: c.Log}
	if a.clock == nil {
		a.clock = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if a.registry, err = openWatched(ctx, a.watch, c.Registry, "client registry", a.parse); err != nil {
		return nil, registryError{err}
	}
	a.verifier = &verifier{known: map[digest]proof{}}
	if a.verifier.nash, err = newIssuers(c.NASH); err != nil {
		return nil, err
	}
	if a.verifier.cas, err = newIssuers(c.CAs); err != nil {
		return nil, err
	}
	a.verifier.crls, err = openRevocations(ctx, c.CRLs, slices.Concat(c.NASH, c.CAs), c.CRLGrace, a.watch)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// registryError is an error of the registry, not of an issuer or a list.
type registryError struct{ error }

// parse reads a registry that works with a's pepper.
func (a *Authenticator) parse(document []byte) (*Registry, error) {
	r, err := ParseRegistry(document, a.clock())
	if err == nil && len(r.peppered) > 0 && len(a.pepper) == 0 {
		return nil, errors.New("it has digests that are keyed with a pepper, and none is set")
	}
	return r, err
}

// Authenticate returns who sent r. The error is a *fhir.Error: with code login when a proof is missing or worthless,
// which are told apart for operators only; forbidden when the client is suspended, does not call from where it has to,
// or shows proofs of two organisations. Keys are looked up by digest, so that timing says nothing about them.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	registry := a.registry.get()
	keys := r.Header.Values("X-Api-Key")
	client := registry.byKey(keys, a.pepper, a.clock())
	if client == nil && (a.proofs != ByCertificate || len(keys) > 0) {
		return Principal{}, fhir.NewError(fhir.CodeLogin, "", "An API key of a known client is needed in the header x-api-key")
	}
	p, err := a.certificate(r)
	org, holder := registry.byCertificate(p)
	if err == nil && org == "" {
		err = errors.New("the certificate is nobody's in the registry")
	}
	switch {
	case err == nil && client != nil && client.Org != org:
		a.alarm(r, client, org, p)
		return Principal{}, fhir.NewError(fhir.CodeForbidden, "", "The client certificate and the API key are of different organisations")
	case err != nil && a.proofs != ByKey:
		return Principal{}, fhir.NewError(fhir.CodeLogin, "", "A client certificate of a known organisation is needed").WithCause(err)
	case client == nil:
		client = holder
	}
	if client == nil {
		return Principal{}, fhir.NewError(fhir.CodeLogin, "", "A client certificate of a known client is needed").
			WithCause(errors.New("no client of the organisation has NASH certificates in the registry"))
	}
	return client.admit(r)
}

// errNoCertificate says that the connection has none.
var errNoCertificate = errors.New("the connection has no client certificate")

// certificate returns what the certificate of r's connection proves.
func (a *Authenticator) certificate(r *http.Request) (proof, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return proof{}, errNoCertificate
	}
	return a.verifier.verify(r.TLS.PeerCertificates[0], a.clock())
}

// alarm tells operators of proofs that cannot be one caller's: a key or a certificate is in wrong hands.
func (a *Authenticator) alarm(r *http.Request, client *Client, org string, p proof) {
	a.log.LogAttrs(r.Context(), slog.LevelError, "ALARM: a client certificate and an API key of different organisations came together",
		slog.String("keyOrg", client.Org), slog.String("client", client.Name), slog.String("certificateOrg", org),
		slog.String("certificate", hex.EncodeToString(p.thumbprint[:])), slog.String("remote", r.RemoteAddr))
}

// byKey returns whose the only key is, or nil.
func (r *Registry) byKey(keys []string, pepper []byte, now time.Time) *Client {
	if len(keys) != 1 || keys[0] == "" {
		return nil
	}
	known, ok := r.keys[sha256.Sum256([]byte(keys[0]))]
	if !ok && len(pepper) > 0 {
		known, ok = r.peppered[keyed(keys[0], pepper)]
	}
	if !ok || !known.expires.IsZero() && !now.Before(known.expires) {
		return nil
	}
	return known.client
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
	p := Principal{Org: c.Org, Client: c.Name, Scopes: c.Scopes, Limits: Limits{PerDay: c.Quota}}
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
