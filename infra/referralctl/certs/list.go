package certs

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// list writes the certificate revocation list of a anew: what it had, and those of revoked that a has signed.
func (m *maker) list(a *authority, revoked []*x509.Certificate) error {
	name := a.name + "-crl.pem"
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: m.now().Add(-time.Hour), NextUpdate: a.certificate.NotAfter}
	before, err := m.loadList(name)
	if err != nil {
		return err
	}
	if before != nil && before.CheckSignatureFrom(a.certificate) == nil {
		template.Number.Add(before.Number, template.Number)
		template.RevokedCertificateEntries = before.RevokedCertificateEntries
	}
	for _, c := range revoked {
		known := slices.ContainsFunc(template.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
			return e.SerialNumber.Cmp(c.SerialNumber) == 0
		})
		if !known && c.CheckSignatureFrom(a.certificate) == nil {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{
				SerialNumber: c.SerialNumber, RevocationTime: m.now(),
			})
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.certificate, a.key)
	if err != nil {
		return err
	}
	m.files = append(m.files, File{name, fmt.Sprintf("its revocation list, of %d certificates", len(template.RevokedCertificateEntries)), true})
	return m.write(name, "X509 CRL", der, 0o644)
}

// loadList returns the list in the file name, or nil when there is none.
func (m *maker) loadList(name string) (*x509.RevocationList, error) {
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no list in PEM", name)
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}
