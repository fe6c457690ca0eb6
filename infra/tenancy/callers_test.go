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
}

// newCallers returns the callers by name, and who knows them. Each shows a certificate and a key, as the deployment demands, unless that is what is wrong.
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
	rotatedOut := principal.Key{Digest: principal.Digest("expired", nil), Expires: time.Now().Add(-time.Second)}
	registry, err := principal.FormatRegistry([]principal.Client{
		{Org: orgA, Name: "a", Keys: append(key("a"), rotatedOut), Scopes: exchange},
		{Org: orgA, Name: "suspended", Keys: key("suspended"), Scopes: exchange, Suspended: true},
		{Org: orgA, Name: "reader", Keys: key("reader"), Scopes: []principal.Scope{principal.Read}},
		{Org: orgA, Name: "outside", Keys: key("outside"), Scopes: exchange, CIDRs: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}},
		{Org: orgB, Name: "b", Keys: key("b"), Scopes: exchange},
		{Org: orgC, Name: "c", Keys: key("c"), Scopes: exchange},
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
		NASH: []*x509.Certificate{issued["nash-ca"]}, CAs: []*x509.Certificate{issued["ca"]},
		CRLs: []principal.Source{principal.File(filepath.Join(dir, "nash-ca-crl.pem")), principal.File(filepath.Join(dir, "ca-crl.pem"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	const here = "127.0.0.1:40000"
	return map[string]caller{
		"none":        {"", nil, here},
		"certificate": {"", certA, here},
		"key":         {"a", nil, here},
		"certA+keyB":  {"b", certA, here},
		"A":           {"a", certA, here},
		"suspended":   {"suspended", certA, here},
		"B":           {"b", certB, here},
		"C":           {"c", certC, here},
		"revoked":     {"a", revoked, here},
		"expired":     {"expired", certA, here},
		"operator":    {"operator", operator, here},
		"auditor":     {"auditor", operator, here},
		"reader":      {"reader", certA, here},
		"outside":     {"outside", certA, here},
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
	if c.certificate != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.certificate}}
	}
}
