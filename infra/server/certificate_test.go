package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// TestClientCertificates: what each certificate is worth on a connection, by what REFERRAL_AUTH asks for. What is wrong
// with the names in one is a table of package principal.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	options := certs.Options{HPIOs: []string{"8003621566684455", "8003624900041689"}}
	if _, err := certs.Make(dir, options); err != nil {
		t.Fatal(err)
	}
	pair := func(name string) tls.Certificate {
		t.Helper()
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, theirs, nash := pair(senderCertificate), pair(recipientCertificate), pair("nash-ca")
	// signed is our certificate as by signs it, but for what change changes.
	signed := func(by tls.Certificate, key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
		t.Helper()
		template := *ours.Leaf
		template.SerialNumber, template.SignatureAlgorithm = big.NewInt(4711), x509.UnknownSignatureAlgorithm
		change(&template)
		der, err := x509.CreateCertificate(rand.Reader, &template, by.Leaf, key.Public(), by.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	key := ecdsaKey(t)
	issued := func(change func(*x509.Certificate)) tls.Certificate { t.Helper(); return signed(nash, key, change) }
	asCA := func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.RawSubject = true, x509.KeyUsageCertSign, nil, nil
		c.Subject = pkix.Name{CommonName: "between"}
	}
	large := func(bytes int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, bytes)}}
		}
	}
	asIs := func(*x509.Certificate) {}
	stranger, itself := withKey(nash, ecdsaKey(t)), withKey(ours, key)
	chain, chained := issued(asCA), [][]byte{}
	for range 3 {
		chained = append([][]byte{chain.Certificate[0]}, chained...)
		chain = signed(chain, key, asCA)
	}
	deep := signed(chain, key, asIs)
	deep.Certificate = append(append(deep.Certificate, chain.Certificate[0]), chained...)
	revoked := issued(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(666) })
	options.Revoke = []string{writePEM(t, revoked)}
	if _, err := certs.Make(dir, options); err != nil {
		t.Fatal(err)
	}

	const refused = 0 // the handshake fails
	servers := map[string]string{}
	for _, test := range []struct {
		name, auth  string
		certificate tls.Certificate
		key         string
		want        int
	}{
		{"both", "certificate+key", ours, "dev-sender", 200},
		{"issued here", "certificate+key", issued(asIs), "dev-sender", 200},
		{"RSA, 2048 bits", "certificate+key", signed(nash, rsaKey(t, 2048), asIs), "dev-sender", 200},
		{"no certificate", "certificate+key", tls.Certificate{}, "dev-sender", 401},
		{"no key", "certificate+key", ours, "", 401},
		{"another organisation's", "certificate+key", theirs, "dev-sender", 403},
		{"self-signed", "certificate+key", signed(itself, key, asIs), "dev-sender", 401},
		{"wrong CA", "certificate+key", signed(stranger, key, asIs), "dev-sender", 401},
		{"CA of another purpose", "certificate+key", signed(pair("ca"), key, asIs), "dev-sender", 401},
		{"expired", "certificate+key", issued(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }), "dev-sender", 401},
		{"not yet valid", "certificate+key", issued(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }), "dev-sender", 401},
		{"revoked", "certificate+key", revoked, "dev-sender", 401},
		{"the CA itself", "certificate+key", nash, "dev-sender", 401},
		{"a CA as leaf", "certificate+key", issued(func(c *x509.Certificate) { c.IsCA = true }), "dev-sender", 401},
		{"for servers", "certificate+key", issued(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "dev-sender", 401},
		{"no policy", "certificate+key", issued(func(c *x509.Certificate) { c.Policies = nil }), "dev-sender", 401},
		{"chain of five", "certificate+key", deep, "dev-sender", 401},
		{"SHA-1", "certificate+key", issued(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }), "dev-sender", 401},
		{"RSA, 1024 bits", "certificate+key", signed(nash, rsaKey(t, 1024), asIs), "dev-sender", 401},
		{"64 KB", "certificate+key", issued(large(64 << 10)), "dev-sender", 401},
		{"300 KB", "certificate+key", issued(large(300 << 10)), "dev-sender", refused},

		{"certificate alone", "certificate", ours, "", 200},
		{"neither", "certificate", tls.Certificate{}, "", 401},
		{"a key alone", "certificate", tls.Certificate{}, "dev-sender", 401},
		{"worthless", "certificate", signed(stranger, key, asIs), "", 401},

		{"not asked for", "key", tls.Certificate{}, "dev-sender", 200},
		{"proves nothing and is not asked for", "key", signed(stranger, key, asIs), "dev-sender", 200},
		{"of another than the key", "key", theirs, "dev-sender", 403},
		{"no key where it is asked for", "key", ours, "", 401},
	} {
		if servers[test.auth] == "" {
			servers[test.auth] = callersOverTLS(t, dir, test.auth)
		}
		client := tlsClient(t, dir, "")
		client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &test.certificate, nil
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, servers[test.auth], http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if test.key != "" {
			r.Header.Set("X-Api-Key", test.key)
		}
		got := refused
		response, err := client.Do(r)
		if err == nil {
			response.Body.Close()
			got = response.StatusCode
		}
		if got != test.want {
			t.Errorf("%s, %s: got %d, error %v; want %d", test.auth, test.name, got, err, test.want)
		}
	}
}

// callersOverTLS serves nothing but an answer to who calls, over TLS as the API is, with the certificates of dir.
func callersOverTLS(t testing.TB, dir, auth string) (url string) {
	t.Helper()
	vars := tlsVariables(dir)
	vars["REFERRAL_AUTH"] = auth
	v := envtest.Settings(vars)
	s := &server{settings: readSettings(v)}
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := fhirhttp.Server{}.Handle("GET /", func(w *fhirhttp.Response, r *http.Request) error {
		_, err := s.settings.callers.Authenticate(r)
		if err == nil {
			fhirhttp.Write(w, http.StatusOK, []byte("{}"))
		}
		return err
	})
	stop := serve(s.overTLS(listener), handler, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { stop(t.Context()) })
	return "https://" + listener.Addr().String()
}

// withKey is what somebody else can make of c: the same names, and a key of their own.
func withKey(c tls.Certificate, key crypto.Signer) tls.Certificate {
	leaf := *c.Leaf
	leaf.PublicKey = key.Public()
	return tls.Certificate{Leaf: &leaf, PrivateKey: key}
}

// writePEM writes a certificate to a file.
func writePEM(t testing.TB, c tls.Certificate) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func ecdsaKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
