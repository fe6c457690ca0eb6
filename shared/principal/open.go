package principal

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"time"
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
	Tokens   Tokens // enough in place of Proofs; without issuers nobody is known by a token

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
	tokens   *tokenVerifier // nil: there are none
	used     keysUsed
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
	if a.tokens, err = newTokenVerifier(c.Tokens, a.watch); err != nil {
		return nil, tokensError{err}
	}
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

// The errors of Open that are not of a certificate's issuer or a list.
type (
	registryError struct{ error }
	tokensError   struct{ error }
)

// parse reads a registry that works with a's pepper and issuers of tokens.
func (a *Authenticator) parse(document []byte) (*Registry, error) {
	r, err := ParseRegistry(document, a.clock())
	if err != nil {
		return nil, err
	}
	if len(r.peppered) > 0 && len(a.pepper) == 0 {
		return nil, errors.New("it has digests that are keyed with a pepper, and none is set")
	}
	for holder := range r.tokens {
		if !a.tokens.knows(holder) {
			return nil, errors.New("it has tokens of an issuer, or by a claim, that is not set")
		}
	}
	return r, nil
}
