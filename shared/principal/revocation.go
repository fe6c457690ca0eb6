package principal

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// crl is a certificate revocation list that its issuer has signed (RFC 5280 §5).
type crl struct {
	issuer     *x509.Certificate
	thisUpdate time.Time
	nextUpdate time.Time
	revoked    map[string]bool // serial numbers
}

// revocations are the lists of all issuers. Safe for concurrent use.
type revocations struct {
	lists []*watched[*crl]
	grace time.Duration
}

// openRevocations reads a list from each source. Each issuer needs one: what cannot be checked is not trusted.
func openRevocations(ctx context.Context, sources []Source, issuers []*x509.Certificate, grace time.Duration, w watch) (*revocations, error) {
	r := &revocations{grace: grace}
	for _, source := range sources {
		list, err := openWatched(ctx, w, source, "certificate revocation list", func(text []byte) (*crl, error) { return parseCRL(text, issuers) })
		if err != nil {
			return nil, err
		}
		r.lists = append(r.lists, list)
	}
	for _, issuer := range issuers {
		list := r.of(issuer)
		if list == nil {
			return nil, errors.New("certificate revocation list: an issuer of client certificates has none")
		}
		if w.clock().After(list.nextUpdate.Add(grace)) {
			w.log.Warn("a certificate revocation list is too old: nobody is known by a certificate of its issuer",
				slog.String("issuer", issuer.Subject.String()), slog.Time("nextUpdate", list.nextUpdate))
		}
	}
	return r, nil
}

func parseCRL(text []byte, issuers []*x509.Certificate) (*crl, error) {
	if block, _ := pem.Decode(text); block != nil && block.Type == "X509 CRL" {
		text = block.Bytes
	}
	list, err := x509.ParseRevocationList(text)
	if err != nil {
		return nil, errors.New("not a list in PEM or DER")
	}
	for _, extension := range list.Extensions {
		if extension.Critical { // such as of a list of some certificates, or of changes, only
			return nil, errors.New("the list has a critical extension that is not known")
		}
	}
	if list.NextUpdate.IsZero() {
		return nil, errors.New("the list does not say when the next one comes")
	}
	for _, issuer := range issuers {
		if !bytes.Equal(issuer.RawSubject, list.RawIssuer) || list.CheckSignatureFrom(issuer) != nil {
			continue
		}
		l := &crl{issuer: issuer, thisUpdate: list.ThisUpdate, nextUpdate: list.NextUpdate, revoked: map[string]bool{}}
		for _, entry := range list.RevokedCertificateEntries {
			l.revoked[string(entry.SerialNumber.Bytes())] = true
		}
		return l, nil
	}
	return nil, errors.New("no issuer of client certificates has signed the list")
}

// of returns the newest list of issuer, or nil. One that comes out of turn, for an emergency, may be due for a next one
// before the one that it replaces.
func (r *revocations) of(issuer *x509.Certificate) (newest *crl) {
	for _, list := range r.lists {
		if l := list.get(); l.signer(issuer) && (newest == nil || l.thisUpdate.After(newest.thisUpdate)) {
			newest = l
		}
	}
	return newest
}

// signer tells whether issuer, by name and key, has signed l: a CA may have several certificates.
func (l *crl) signer(issuer *x509.Certificate) bool {
	return bytes.Equal(l.issuer.RawSubject, issuer.RawSubject) && bytes.Equal(l.issuer.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo)
}

// check returns why certificate of issuer is not to be trusted at now, or nil.
func (r *revocations) check(issuer, certificate *x509.Certificate, now time.Time) error {
	list := r.of(issuer)
	switch {
	case list == nil: // the file now holds another issuer's
		return errors.New("the issuer has no certificate revocation list")
	case list.revoked[string(certificate.SerialNumber.Bytes())]:
		return errors.New("the certificate is revoked")
	case now.After(list.nextUpdate.Add(r.grace)):
		return fmt.Errorf("the certificate revocation list of the issuer is too old: a next one was due at %v", list.nextUpdate)
	}
	return nil
}

// List is what a certificate revocation list says of itself.
type List struct {
	Issuer                 *x509.Certificate
	ThisUpdate, NextUpdate time.Time // it is the newest from the one until the other, unless one comes out of turn
}

// ParseList reads a certificate revocation list in PEM or DER. The error says why servers that know issuers would not take
// it: it is no list, not signed by any of them, or of some certificates only.
func ParseList(list []byte, issuers []*x509.Certificate) (List, error) {
	l, err := parseCRL(list, issuers)
	if err != nil {
		return List{}, err
	}
	return List{l.issuer, l.thisUpdate, l.nextUpdate}, nil
}
