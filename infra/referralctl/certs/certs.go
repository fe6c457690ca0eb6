// Package certs makes the certificates with which one machine can play a whole deployment: two certification
// authorities, one of them after the manner of NASH, a server's certificate for loopback, clients' certificates, and
// the authorities' certificate revocation lists.
//
// It promises that what is there and good stays, so that it may be called before each start; that private keys are for
// their owner only (0600); and that a server which trusts the development authority trusts it for loopback only. Real
// NASH certificates come from Services Australia, and nothing here is one.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// Options say what is made.
type Options struct {
	HPIOs  []string      // organisations with a NASH-like certificate each; HPI-Os with their check digits
	Valid  time.Duration // of certificates; 0: 397 days, the longest that clients take of a server
	Revoke []string      // files of certificates to revoke, below the directory or not
	Clock  func() time.Time
}

// validAuthority is how long an authority and its lists are good.
const validAuthority = 10 * 365 * 24 * time.Hour

// File is one that Make has looked after.
type File struct {
	Name string `json:"name"` // within the directory
	What string `json:"what"`
	Made bool   `json:"made"` // and not found there
}

// Make sees to it that dir has all that options ask for, and returns its files. A certificate that ends within a day, or
// that another authority has signed, is made anew with a new key.
func Make(dir string, options Options) ([]File, error) {
	m := maker{dir: dir, valid: options.Valid, now: time.Now}
	if m.valid == 0 {
		m.valid = 397 * 24 * time.Hour
	}
	if options.Clock != nil {
		m.now = options.Clock
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ca, err := m.authority("ca", "Development CA of the Referral FHIR Server", true)
	if err != nil {
		return nil, err
	}
	nash, err := m.authority("nash-ca", "Development CA after the manner of NASH", false)
	if err != nil {
		return nil, err
	}
	if err := m.issue(ca, "server", "the server on loopback", serverTemplate()); err != nil {
		return nil, err
	}
	if err := m.issue(ca, "client", "a client, to be mapped by its subject or thumbprint", clientTemplate()); err != nil {
		return nil, err
	}
	for _, hpio := range options.HPIOs {
		template, err := nashTemplate(hpio)
		if err != nil {
			return nil, err
		}
		if err := m.issue(nash, "nash-"+hpio, "a client of organisation "+hpio, template); err != nil {
			return nil, err
		}
	}
	revoked, err := readAll(options.Revoke)
	if err != nil {
		return nil, err
	}
	for i, c := range revoked {
		if c.CheckSignatureFrom(ca.certificate) != nil && c.CheckSignatureFrom(nash.certificate) != nil {
			return nil, fmt.Errorf("%s is not of an authority in %s, which alone can revoke it", options.Revoke[i], dir)
		}
	}
	for _, a := range []*authority{ca, nash} {
		if err := m.list(a, revoked); err != nil {
			return nil, err
		}
	}
	return m.files, nil
}

// maker looks after one directory.
type maker struct {
	dir   string
	valid time.Duration
	now   func() time.Time
	files []File
}

// authority is a certification authority whose key is at hand.
type authority struct {
	name        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// authority returns the one of name, made if it is not there. One for loopback only can certify no server elsewhere.
func (m *maker) authority(name, commonName string, onLoopback bool) (*authority, error) {
	certificate, key, err := m.load(name)
	if err != nil {
		return nil, err
	}
	if certificate != nil && m.now().AddDate(0, 0, 1).Before(certificate.NotAfter) {
		m.files = append(m.files, File{name + ".pem", commonName, false})
		return &authority{name, certificate, key}, nil
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"Development only"}, CommonName: commonName},
		NotBefore: m.now().Add(-time.Hour), NotAfter: m.now().Add(validAuthority),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if onLoopback {
		template.PermittedDNSDomainsCritical = true
		template.PermittedDNSDomains = []string{"localhost"}
		template.PermittedIPRanges = []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		}
	}
	if certificate, err = m.sign(name, template, &authority{name, template, key}, key); err != nil {
		return nil, err
	}
	m.files = append(m.files, File{name + ".pem", commonName, true})
	return &authority{name, certificate, key}, nil
}

// issue sees to the certificate of name.
func (m *maker) issue(by *authority, name, what string, template *x509.Certificate) error {
	certificate, _, err := m.load(name)
	if err != nil {
		return err
	}
	good := certificate != nil && certificate.CheckSignatureFrom(by.certificate) == nil && m.now().AddDate(0, 0, 1).Before(certificate.NotAfter)
	m.files = append(m.files, File{name + ".pem", what, !good})
	if good {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.SerialNumber = serial()
	template.NotBefore, template.NotAfter = m.now().Add(-time.Hour), m.now().Add(m.valid)
	template.BasicConstraintsValid, template.KeyUsage = true, x509.KeyUsageDigitalSignature
	_, err = m.sign(name, template, by, key)
	return err
}

// serial is a random number that is positive and not 0.
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// sign writes the certificate of template with key, signed by an authority, and returns it.
func (m *maker) sign(name string, template *x509.Certificate, by *authority, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	// The key first: a certificate that is there has its key.
	if err := m.write(name+"-key.pem", "PRIVATE KEY", secret, 0o600); err != nil {
		return nil, err
	}
	if err := m.write(name+".pem", "CERTIFICATE", der, 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// write replaces a file as a whole.
func (m *maker) write(name, kind string, der []byte, mode fs.FileMode) error {
	path := filepath.Join(m.dir, name)
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(temporary, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// load returns the certificate of name and its key, or nil where they are not there or do not go together.
func (m *maker) load(name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certificates, err := readAll([]string{filepath.Join(m.dir, name+".pem")})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(filepath.Join(m.dir, name+"-key.pem"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, fmt.Errorf("%s-key.pem is no key in PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("%s-key.pem: %w", name, err)
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok || !own.PublicKey.Equal(certificates[0].PublicKey) {
		return nil, nil, nil
	}
	return certificates[0], own, nil
}

// readAll returns the first certificate of each file.
func readAll(paths []string) (certificates []*x509.Certificate, err error) {
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		in, err := principal.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		certificates = append(certificates, in[0])
	}
	return certificates, nil
}
