package tenancy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// The organisations: a sender, one that it addresses, and one that has nothing to do with either.
const (
	orgA = "8003621566684455"
	orgB = "8003624900041689"
	orgC = "8003629900040359"
)

// caller is a column of the table: what somebody shows when calling.
type caller struct {
	key         string
	certificate *x509.Certificate
	remote      string
	token       string
}

// newCallers returns the callers by name, and who knows them. Each shows a certificate and a key, or a token in their
// place, as the deployment demands, unless that is what is wrong.
func newCallers(t testing.TB) (map[string]caller, *principal.Authenticator) {
	t.Helper()
	dir := t.TempDir()
	issue := func(revoke ...string) map[string]*x509.Certificate {
		if _, err := certs.Make(dir, certs.Options{HPIOs: []string{orgA, orgB, orgC}, Revoke: revoke}); err != nil {
			t.Fatal(err)
		}
		issued := map[string]*x509.Certificate{}
		for _, name := range []string{"ca", "nash-ca", "client", "nash-" + orgA, "nash-" + orgB, "nash-" + orgC} {
			issued[name] = readCertificate(t, filepath.Join(dir, name+".pem"))
		}
		return issued
	}
	revoked := issue()["nash-"+orgA]
	old := filepath.Join(dir, "revoked.pem")
	if err := os.Rename(filepath.Join(dir, "nash-"+orgA+".pem"), old); err != nil {
		t.Fatal(err)
	}
	issued := issue(old)
	certA, certB, certC, operator := issued["nash-"+orgA], issued["nash-"+orgB], issued["nash-"+orgC], issued["client"]

	exchange := []principal.Scope{principal.Submit, principal.Read, principal.Fill}
	key := func(name string) []principal.Key { return []principal.Key{{Digest: principal.Digest(name, nil)}} }
	issuer := newIssuer(t)
	token := func(client string) []principal.Token { return []principal.Token{{Issuer: issuer.url, Client: client}} }
	rotatedOut := principal.Key{Digest: principal.Digest("expired", nil), Expires: time.Now().Add(-time.Second)}
	registry, err := principal.FormatRegistry([]principal.Client{
		{Org: orgA, Name: "a", Keys: append(key("a"), rotatedOut), Tokens: token("app-a"), Scopes: exchange},
		{Org: orgA, Name: "suspended", Keys: key("suspended"), Scopes: exchange, Suspended: true},
		{Org: orgA, Name: "reader", Keys: key("reader"), Scopes: []principal.Scope{principal.Read}},
		{Org: orgA, Name: "outside", Keys: key("outside"), Scopes: exchange, CIDRs: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}},
		{Org: orgB, Name: "b", Keys: key("b"), Scopes: exchange},
		{Org: orgC, Name: "c", Keys: key("c"), Tokens: token("app-c"), Scopes: exchange},
		{Org: "operator", Name: "operator", Keys: key("operator"), Scopes: []principal.Scope{principal.Operate},
			Certificates: []principal.Certificate{principal.ByThumbprint(operator)}},
		{Org: "operator", Name: "auditor", Keys: key("auditor"), Scopes: []principal.Scope{principal.Audit}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "clients.json")
	if err := os.WriteFile(file, registry, 0o600); err != nil {
		t.Fatal(err)
	}
	authenticator, err := principal.Open(context.Background(), principal.Config{
		Registry: principal.File(file), Proofs: principal.ByCertificateAndKey,
		Tokens: principal.Tokens{Issuers: []string{issuer.url}, Audiences: []string{audience}},
		NASH:   []*x509.Certificate{issued["nash-ca"]}, CAs: []*x509.Certificate{issued["ca"]},
		CRLs: []principal.Source{principal.File(filepath.Join(dir, "nash-ca-crl.pem")), principal.File(filepath.Join(dir, "ca-crl.pem"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	const here = "127.0.0.1:40000"
	return map[string]caller{
		"none":        {remote: here},
		"certificate": {certificate: certA, remote: here},
		"key":         {key: "a", remote: here},
		"certA+keyB":  {key: "b", certificate: certA, remote: here},
		"A":           {key: "a", certificate: certA, remote: here},
		"suspended":   {key: "suspended", certificate: certA, remote: here},
		"B":           {key: "b", certificate: certB, remote: here},
		"C":           {key: "c", certificate: certC, remote: here},
		"revoked":     {key: "a", certificate: revoked, remote: here},
		"expired":     {key: "expired", certificate: certA, remote: here},
		"operator":    {key: "operator", certificate: operator, remote: here},
		"auditor":     {key: "auditor", certificate: operator, remote: here},
		"reader":      {key: "reader", certificate: certA, remote: here},
		"outside":     {key: "outside", certificate: certA, remote: here},
		"tokenC":      {remote: here, token: issuer.token(t, "app-c", "system/*.crus", time.Hour)},
		"tokenRead":   {remote: here, token: issuer.token(t, "app-a", "system/*.rs", time.Hour)},
		"tokenEnded":  {remote: here, token: issuer.token(t, "app-a", "system/*.crus", -time.Minute)},
		"tokenA+cert": {certificate: certB, remote: here, token: issuer.token(t, "app-a", "system/*.crus", time.Hour)},
	}, authenticator
}

func readCertificate(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := principal.ParseCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	return certificates[0]
}

// show has r come from c.
func (c caller) show(r *http.Request) {
	r.RemoteAddr = c.remote
	if c.key != "" {
		r.Header.Set("X-Api-Key", c.key)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.certificate}}
	}
}
