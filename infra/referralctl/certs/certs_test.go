package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

const hpio = "8003621566684455"

func makeAll(t testing.TB, dir string, options certs.Options) (made []string) {
	t.Helper()
	files, err := certs.Make(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Made && !strings.HasSuffix(f.Name, "-crl.pem") {
			made = append(made, f.Name)
		}
	}
	return made
}

func load(t testing.TB, dir, name string) []*x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := principal.ParseCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	return certificates
}

func pair(t testing.TB, dir, name string) tls.Certificate {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// TestTheyWork: a client that trusts the authority reaches a server with its certificate, which knows the client by its
// own until that is revoked.
func TestTheyWork(t *testing.T) {
	dir := t.TempDir()
	makeAll(t, dir, certs.Options{HPIOs: []string{hpio}})
	callers := func() *principal.Authenticator {
		t.Helper()
		a, err := principal.Open(t.Context(), principal.Config{
			Registry: principal.File(filepath.Join(dir, "clients.json")), Proofs: principal.ByCertificate,
			NASH: load(t, dir, "nash-ca.pem"), CAs: load(t, dir, "ca.pem"),
			CRLs: []principal.Source{principal.File(filepath.Join(dir, "ca-crl.pem")), principal.File(filepath.Join(dir, "nash-ca-crl.pem"))},
		})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	mapped, err := principal.BySubject(load(t, dir, "client.pem")[0])
	if err != nil {
		t.Fatal(err)
	}
	text, err := principal.FormatRegistry([]principal.Client{
		{Org: hpio, Name: "nash", Scopes: []principal.Scope{principal.Read}, Certificates: []principal.Certificate{{NASH: true}}},
		{Org: "8003624900041689", Name: "mapped", Scopes: []principal.Scope{principal.Read}, Certificates: []principal.Certificate{mapped}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	a := callers()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := a.Authenticate(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
		}
		io.WriteString(w, p.Client)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair(t, dir, "server")}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	get := func(certificate string) string {
		t.Helper()
		roots := x509.NewCertPool()
		roots.AddCert(load(t, dir, "ca.pem")[0])
		config := &tls.Config{RootCAs: roots}
		if certificate != "" {
			config.Certificates = []tls.Certificate{pair(t, dir, certificate)}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	for certificate, want := range map[string]string{"nash-" + hpio: "nash", "client": "mapped", "server": "", "": ""} {
		if got := get(certificate); got != want {
			t.Errorf("got client %q with the certificate %q, want %q", got, certificate, want)
		}
	}
	makeAll(t, dir, certs.Options{HPIOs: []string{hpio}, Revoke: []string{filepath.Join(dir, "nash-"+hpio+".pem")}})
	makeAll(t, dir, certs.Options{}) // a list never forgets
	a = callers()
	if got := get("nash-" + hpio); got != "" {
		t.Errorf("got client %q with a revoked certificate", got)
	}
	if got := get("client"); got != "mapped" {
		t.Errorf("got client %q with a good certificate, want the mapped one", got)
	}
}

func TestWhatIsGoodStays(t *testing.T) {
	dir := t.TempDir()
	at := time.Now()
	options := certs.Options{HPIOs: []string{hpio}, Valid: 48 * time.Hour, Clock: func() time.Time { return at }}
	all := "ca.pem nash-ca.pem server.pem client.pem nash-" + hpio + ".pem"
	if got := strings.Join(makeAll(t, dir, options), " "); got != all {
		t.Errorf("made %s, want %s", got, all)
	}
	if got := makeAll(t, dir, options); len(got) > 0 {
		t.Errorf("made %v again", got)
	}
	at = at.Add(25 * time.Hour)
	if got := strings.Join(makeAll(t, dir, options), " "); got != "server.pem client.pem nash-"+hpio+".pem" {
		t.Errorf("made %s a day before the end, want all but the authorities", got)
	}
	if err := os.Remove(filepath.Join(dir, "nash-ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(makeAll(t, dir, options), " "); got != "nash-ca.pem nash-"+hpio+".pem" {
		t.Errorf("made %s without the key of an authority, want it and its own", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name(), "-key.pem") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", entry.Name(), info.Mode())
		}
	}
}

// TestTrustEndsOnLoopback: who trusts the authority trusts it for no other server.
func TestTrustEndsOnLoopback(t *testing.T) {
	dir := t.TempDir()
	makeAll(t, dir, certs.Options{})
	ca := load(t, dir, "ca.pem")[0]
	if !ca.PermittedDNSDomainsCritical || len(ca.PermittedDNSDomains) != 1 || len(ca.PermittedIPRanges) != 2 {
		t.Errorf("got names %v and addresses %v, want localhost and loopback, critical", ca.PermittedDNSDomains, ca.PermittedIPRanges)
	}
}

func TestRevokeIsForItsAuthority(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	makeAll(t, elsewhere, certs.Options{})
	if _, err := certs.Make(dir, certs.Options{Revoke: []string{filepath.Join(elsewhere, "client.pem")}}); err == nil || !strings.Contains(err.Error(), "which alone can revoke it") {
		t.Errorf("got error %v, want that another authority revokes it", err)
	}
}
