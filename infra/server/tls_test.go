package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
)

const (
	senderCertificate    = "nash-8003621566684455"
	recipientCertificate = "nash-8003624900041689"
)

// startedOverTLS runs a server with certificates in dir that asks for a certificate and a key.
func startedOverTLS(t testing.TB, variables ...string) (s *server, dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := certs.Make(dir, certs.Options{HPIOs: []string{"8003621566684455", "8003624900041689"}}); err != nil {
		t.Fatal(err)
	}
	for name, value := range tlsVariables(dir) {
		variables = append(variables, name, value)
	}
	return started(t, variables...), dir
}

// tlsVariables are the settings of make run TLS=1 with the certificates in dir.
func tlsVariables(dir string) map[string]string {
	in := func(name string) string { return filepath.Join(dir, name) }
	return map[string]string{
		"REFERRAL_TLS_CERT": in("server.pem"), "REFERRAL_TLS_KEY": in("server-key.pem"), "REFERRAL_AUTH": "certificate+key",
		"REFERRAL_CLIENT_CA": in("ca.pem"), "REFERRAL_NASH_CA": in("nash-ca.pem"), "REFERRAL_CRLS": in("ca-crl.pem") + "," + in("nash-ca-crl.pem"),
	}
}

// tlsClient trusts the authority in dir and has a certificate of it, or none.
func tlsClient(t testing.TB, dir, certificate string) *http.Client {
	t.Helper()
	authority, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(authority)
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, certificate+".pem"), filepath.Join(dir, certificate+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestCertificateAndKey: both are needed and of one organisation, and nothing but the connection has the certificate.
// Functions that run as bootstraps find it in API Gateway's event.
func TestCertificateAndKey(t *testing.T) {
	for name, variables := range map[string][]string{"in the server": nil, "bootstraps": {"REFERRAL_LAMBDA_DIR", builtBootstraps(t)}} {
		t.Run(name, func(t *testing.T) { asksForBoth(t, variables...) })
	}
}

func asksForBoth(t *testing.T, variables ...string) {
	t.Helper()
	s, dir := startedOverTLS(t, variables...)
	if got := s.base.Scheme; got != "https" {
		t.Errorf("got base URL with %s, want https", got)
	}
	if got := s.banner(); !strings.Contains(got, "--cacert "+dir) || !strings.Contains(got, senderCertificate+".pem") {
		t.Errorf("got banner %s, want what curl needs", got)
	}
	forged, err := os.ReadFile(filepath.Join(dir, senderCertificate+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, certificate, key, path string
		want                         int
	}{
		{"both", senderCertificate, "dev-sender", "/fhir/Patient", http.StatusOK},
		{"no certificate", "", "dev-sender", "/fhir/Patient", http.StatusUnauthorized},
		{"no key", senderCertificate, "", "/fhir/Patient", http.StatusUnauthorized},
		{"another's", recipientCertificate, "dev-sender", "/fhir/Patient", http.StatusForbidden},
		{"mapped by nobody", "client", "dev-sender", "/fhir/Patient", http.StatusUnauthorized},
		{"the server's own", "server", "dev-sender", "/fhir/Patient", http.StatusUnauthorized},
		{"health without any", "", "", "/health/live", http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base.String()+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.key != "" {
				r.Header.Set("X-Api-Key", test.key)
			}
			r.Header.Set("X-Client-Cert", strings.ReplaceAll(string(forged), "\n", " "))
			response, err := tlsClient(t, dir, test.certificate).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.want {
				t.Errorf("got %d %s, error %v; want %d", response.StatusCode, body, err, test.want)
			}
		})
	}
}

func TestTLSVersions(t *testing.T) {
	s, dir := startedOverTLS(t)
	for name, test := range map[string]struct {
		least, most uint16
		suites      []uint16
		good        bool
	}{
		"1.3":                          {tls.VersionTLS13, tls.VersionTLS13, nil, true},
		"1.2":                          {tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, true},
		"1.2, CBC":                     {tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}, false},
		"1.2, without forward secrecy": {tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, false},
		"1.1":                          {tls.VersionTLS10, tls.VersionTLS11, nil, false},
		"1.0":                          {tls.VersionTLS10, tls.VersionTLS10, nil, false},
	} {
		config := tlsClient(t, dir, "").Transport.(*http.Transport).TLSClientConfig
		config.MinVersion, config.MaxVersion, config.CipherSuites = test.least, test.most, test.suites
		connection, err := tls.Dial("tcp", s.api, config)
		if (err == nil) != test.good {
			t.Errorf("%s: got error %v, want it to work %v", name, err, test.good)
		}
		if err == nil {
			connection.Close()
		}
	}
}
