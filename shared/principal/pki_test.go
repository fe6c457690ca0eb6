package principal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// authority is a CA of a test.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return &authority{sign(t, template, template, key.Public(), key), key}
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// issue returns a certificate of a for name, as change makes it.
func (a *authority) issue(t testing.TB, name pkix.RDNSequence, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	return sign(t, leaf(t, name, change...), a.certificate, newKey(t).Public(), a.key)
}

// leaf is a template of an organisation's certificate under the policy of NASH.
func leaf(t testing.TB, name pkix.RDNSequence, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	subject, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := x509.ParseOID(principal.NASHPolicy)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(4711), RawSubject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(2, 0, 0),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, Policies: []x509.OID{policy},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(template)
	}
	return template
}

var (
	countryName      = asn1.ObjectIdentifier{2, 5, 4, 6}
	commonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	organizationName = asn1.ObjectIdentifier{2, 5, 4, 10}
	domainComponent  = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
)

// rdn is a relative name of one value.
func rdn(kind asn1.ObjectIdentifier, value any) pkix.RelativeDistinguishedNameSET {
	return pkix.RelativeDistinguishedNameSET{{Type: kind, Value: value}}
}

// nashName is the subject of a NASH organisation certificate with the given domain component, and further relative names.
func nashName(hpio, domain string, more ...pkix.RelativeDistinguishedNameSET) pkix.RDNSequence {
	return append(append(domains(domain), rdn(organizationName, "Synthetic Clinic")), append(more, rdn(commonName, "general."+hpio+".id.electronichealth.net.au"))...)
}

func domains(domain string) pkix.RDNSequence {
	return pkix.RDNSequence{
		rdn(domainComponent, "AU"), rdn(domainComponent, "net"), rdn(domainComponent, "electronichealth"), rdn(domainComponent, "id"), rdn(domainComponent, domain),
	}
}

// crl is a list of a in PEM that is due for a next one at nextUpdate, as change makes it.
func (a *authority) crl(t testing.TB, nextUpdate time.Time, change ...func(*x509.RevocationList)) string {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.AddDate(0, 0, -7), NextUpdate: nextUpdate}
	for _, c := range change {
		c(template)
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
}

// revoking are lists with the serial number.
func revoking(serial int64) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(serial), RevocationTime: now.AddDate(0, 0, -8)}}
	}
}

// current is a list of a that revokes nothing.
func (a *authority) current(t testing.TB) principal.Source {
	t.Helper()
	return &text{document: a.crl(t, now.AddDate(0, 0, 7))}
}

// with returns r as if its connection had the certificate.
func with(r *http.Request, certificate *x509.Certificate) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}}
	return r
}
