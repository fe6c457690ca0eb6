package principal

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ParseCertificates returns the certificates of a PEM file, at least one.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("a PEM block is not a CERTIFICATE")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, errors.New("there is no certificate in PEM")
	}
	return certificates, nil
}

// verifier tells what a client certificate proves. Safe for concurrent use.
type verifier struct {
	nash, cas *issuers
	crls      *revocations

	mu    sync.Mutex
	known map[digest]proof // certificates with a good signature: a signature costs more than all the rest
}

// maxKnown is how many certificates are remembered; then they are forgotten, all at once.
const maxKnown = 4096

// issuers are pinned CAs: a certificate is one that they have signed themselves, with nothing in between.
type issuers struct {
	pool         *x509.CertPool
	certificates []*x509.Certificate
}

func newIssuers(certificates []*x509.Certificate) (*issuers, error) {
	i := &issuers{pool: x509.NewCertPool(), certificates: certificates}
	for _, c := range certificates {
		if !c.BasicConstraintsValid || !c.IsCA {
			return nil, errors.New("a certificate of an issuer is not that of a CA")
		}
		i.pool.AddCert(c)
	}
	return i, nil
}

// proof is what a certificate proves, as long as it and its issuer are valid and it is not revoked.
type proof struct {
	thumbprint digest
	of         subject
	hpio       string            // of a NASH certificate
	issuer     *x509.Certificate // pinned; nil: only a thumbprint in the registry vouches for it
}

// maxCertificate is for a certificate in DER; those of NASH have 2 KB.
const maxCertificate = 16 << 10

// verify returns what certificate proves at now. The errors are for operators.
func (v *verifier) verify(certificate *x509.Certificate, now time.Time) (proof, error) {
	if len(certificate.Raw) > maxCertificate {
		return proof{}, errors.New("the certificate is too large")
	}
	thumbprint := sha256.Sum256(certificate.Raw)
	v.mu.Lock()
	p, known := v.known[thumbprint]
	v.mu.Unlock()
	if !known {
		var err error
		if p, err = v.prove(certificate, thumbprint, now); err != nil {
			return proof{}, err
		}
		if p.issuer != nil { // anybody can make as many of the others as they like
			v.remember(p)
		}
	}
	if err := valid(certificate, now); err != nil {
		return proof{}, err
	}
	if p.issuer == nil {
		return p, nil
	}
	if err := valid(p.issuer, now); err != nil {
		return proof{}, fmt.Errorf("issuer: %w", err)
	}
	return p, v.crls.check(p.issuer, certificate, now)
}

func (v *verifier) remember(p proof) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= maxKnown {
		clear(v.known)
	}
	v.known[p.thumbprint] = p
}

func valid(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return errors.New("the certificate is not valid yet")
	case now.After(c.NotAfter):
		return errors.New("the certificate has expired")
	}
	return nil
}

// prove does what is the same at any time.
func (v *verifier) prove(c *x509.Certificate, thumbprint digest, now time.Time) (proof, error) {
	if err := soundLeaf(c); err != nil {
		return proof{}, err
	}
	names, err := BySubject(c)
	if err != nil {
		return proof{}, err
	}
	p := proof{thumbprint: thumbprint, of: subject{names.Subject, names.Issuer}}
	if p.issuer, err = v.nash.issuerOf(c, now); err == nil {
		p.hpio, err = nashOrganisation(c)
		return p, err
	}
	if p.issuer, err = v.cas.issuerOf(c, now); err == nil {
		return p, nil
	}
	return p, nil
}

// issuerOf returns who of i has signed c for clients, and may have ended since: what it has revoked stays so.
func (i *issuers) issuerOf(c *x509.Certificate, now time.Time) (issuer *x509.Certificate, err error) {
	for _, at := range []time.Time{now, c.NotBefore} {
		var chains [][]*x509.Certificate
		chains, err = c.Verify(x509.VerifyOptions{
			Roots: i.pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err == nil {
			return chains[0][1], nil // a chain of one would be a CA's own certificate, which is no leaf
		}
	}
	return nil, err
}

// soundLeaf holds c against what any client certificate has to be, also one without a pinned issuer.
func soundLeaf(c *x509.Certificate) error {
	switch {
	case c.IsCA:
		return errors.New("the certificate is that of a CA")
	case len(c.UnhandledCriticalExtensions) > 0:
		return errors.New("the certificate has a critical extension that is not known")
	case !forClients(c):
		return errors.New("the certificate is not for clients (extended key usage)")
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return errors.New("the certificate's RSA key has fewer than 2048 bits")
		}
	case *ecdsa.PublicKey:
		if key.Curve.Params().BitSize < 256 {
			return errors.New("the certificate's curve has fewer than 256 bits")
		}
	case ed25519.PublicKey:
	default:
		return errors.New("the certificate's kind of key is not known")
	}
	return nil
}

// forClients tells whether c may authenticate a client: a certificate without the extension may be used for anything.
func forClients(c *x509.Certificate) bool {
	for _, usage := range c.ExtKeyUsage {
		if usage == x509.ExtKeyUsageClientAuth || usage == x509.ExtKeyUsageAny {
			return true
		}
	}
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0
}

// ByThumbprint is how a registry knows this very certificate.
func ByThumbprint(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.Raw)
	return Certificate{SHA256: hex.EncodeToString(sum[:])}
}

// BySubject is how a registry knows c and all others of its subject and issuer.
func BySubject(c *x509.Certificate) (known Certificate, err error) {
	if known.Subject, err = DistinguishedName(c.RawSubject); err != nil {
		return Certificate{}, err
	}
	if known.Issuer, err = DistinguishedName(c.RawIssuer); err != nil {
		return Certificate{}, err
	}
	return known, nil
}
