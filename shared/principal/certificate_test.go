package principal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestNASH: one certificate that is as it has to be, and what is wrong with all the others.
func TestNASH(t *testing.T) {
	nash, private := newAuthority(t, "NASH Organisation CA"), newAuthority(t, "NASH Organisation CA") // by name the same
	a := open(t, principal.Config{
		Registry: &text{document: document(
			client(sender, "reception", `"certificates": [{"nash": true}]`), withKey(other, "ward", "ward"))},
		Proofs: principal.ByCertificate, NASH: []*x509.Certificate{nash.certificate}, CRLs: []principal.Source{nash.current(t)},
	})
	good := nashName(sender, sender)
	sub := newKey(t)
	subCA := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "between"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nash.certificate, sub.Public(), nash.key)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	self := newKey(t)
	for name, test := range map[string]struct {
		certificate *x509.Certificate
		want        string
	}{
		"good":                     {nash.issue(t, good), ""},
		"in the other direction":   {nash.issue(t, pkix.RDNSequence{good[6], good[5], good[4], good[3], good[2], good[1], good[0]}), ""},
		"for anything":             {nash.issue(t, good, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), ""},
		"of another organisation":  {nash.issue(t, nashName(other, other)), "no client of the organisation"},
		"of an unknown one":        {nash.issue(t, nashName("8003629900040359", "8003629900040359")), "no client of the organisation"},
		"wrong CA":                 {private.issue(t, good), "nobody's"},
		"self-signed":              {sign(t, leaf(t, good), leaf(t, good), self.Public(), self), "nobody's"},
		"CA between":               {(&authority{subCA, sub}).issue(t, good), "nobody's"},
		"the CA itself":            {nash.certificate, "that of a CA"},
		"a CA of its own":          {nash.issue(t, good, func(c *x509.Certificate) { c.IsCA = true }), "that of a CA"},
		"expired":                  {nash.issue(t, good, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), "expired"},
		"not yet valid":            {nash.issue(t, good, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }), "not valid yet"},
		"no policy":                {nash.issue(t, good, func(c *x509.Certificate) { c.Policies = nil }), "policy"},
		"for servers":              {nash.issue(t, good, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "not for clients"},
		"name within O":            {nash.issue(t, append(domains(sender), rdn(organizationName, "general."+sender+".id.electronichealth.net.au"))), "exactly one common name"},
		"O looks like a CN":        {nash.issue(t, append(domains(sender), rdn(organizationName, "x, CN=general."+sender+".id.electronichealth.net.au"), rdn(commonName, "clinic"))), "not that of an organisation"},
		"two common names":         {nash.issue(t, nashName(sender, sender, rdn(commonName, "general."+other+".id.electronichealth.net.au"))), "exactly one common name"},
		"two values in one":        {nash.issue(t, append(domains(sender), append(rdn(organizationName, "x"), good[6]...))), "several values"},
		"other HPI-O in DC":        {nash.issue(t, nashName(sender, other)), "not the same HPI-O"},
		"two HPI-Os in DC":         {nash.issue(t, nashName(sender, sender, rdn(domainComponent, other))), "not the same HPI-O"},
		"no HPI-O in DC":           {nash.issue(t, nashName(sender, "clinic")), "not the same HPI-O"},
		"check digit":              {nash.issue(t, nashName("8003621566684456", "8003621566684456")), "check digit"},
		"of a person":              {nash.issue(t, nashName("8003611566684455", "8003611566684455")), "not that of an organisation"},
		"more behind":              {nash.issue(t, append(domains(sender), rdn(commonName, "general."+sender+".id.electronichealth.net.au.example"))), "not that of an organisation"},
		"line end":                 {nash.issue(t, append(domains(sender), rdn(commonName, "general."+sender+".id.electronichealth.net.au\n"))), "not that of an organisation"},
		"NUL":                      {nash.issue(t, append(domains(sender), rdn(commonName, "general."+sender+".id.electronichealth.net.au\x00"))), "not that of an organisation"},
		"homoglyph":                {nash.issue(t, append(domains(sender), rdn(commonName, "general."+sender+".id.electronichealth.net.\u0430u"))), "not that of an organisation"},
		"digits of another script": {nash.issue(t, append(domains(sender), rdn(commonName, "general.800362156668445\u0665.id.electronichealth.net.au"))), "not that of an organisation"},
		"unknown critical extension": {nash.issue(t, good, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}), "critical extension"},
		"small key": {sign(t, leaf(t, good), nash.certificate, small.Public(), nash.key), "2048 bits"},
		"64 KB": {nash.issue(t, good, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, 64<<10)}}
		}), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := a.Authenticate(with(request(), test.certificate))
			if test.want == "" {
				if err != nil || got.Org != sender || got.Client != "reception" {
					t.Errorf("got %s of %s, error %v; want the client", got.Client, got.Org, err)
				}
				return
			}
			if err == nil || fhir.CodeOf(err) != fhir.CodeLogin || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, error %v; want code login and that it says %q", got.Client, err, test.want)
			}
		})
	}
}

// TestMappedCertificates: a subject counts from a pinned issuer only, a thumbprint from any.
func TestMappedCertificates(t *testing.T) {
	ca, stranger := newAuthority(t, "Clinic CA"), newAuthority(t, "Clinic CA")
	name := pkix.RDNSequence{rdn(countryName, "AU"), rdn(organizationName, "Clinic, East"), rdn(commonName, "gateway")}
	pinned, mapped, another := stranger.issue(t, name), ca.issue(t, name), ca.issue(t, name[1:])
	expired := stranger.issue(t, name, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) })
	print := func(c *x509.Certificate) string { sum := sha256.Sum256(c.Raw); return hex.EncodeToString(sum[:]) }
	a := open(t, principal.Config{
		Registry: &text{document: document(
			client(sender, "by-subject", `"certificates": [{"subject": "CN=gateway,O=Clinic\\, East,C=AU", "issuer": "CN=Clinic CA"}]`),
			client(other, "by-thumbprint", `"certificates": [{"sha256": "`+print(pinned)+`"}, {"sha256": "`+print(expired)+`"}]`),
		)},
		Proofs: principal.ByCertificate, CAs: []*x509.Certificate{ca.certificate}, CRLs: []principal.Source{ca.current(t)},
	})
	for range 2 { // the second time, it is known
		check(t, a, with(request(), mapped), "by-subject", "")
		check(t, a, with(request(), pinned), "by-thumbprint", "")
		check(t, a, with(request(), another), "", fhir.CodeLogin)
		check(t, a, with(request(), expired), "", fhir.CodeLogin)
		check(t, a, with(request(), stranger.issue(t, name)), "", fhir.CodeLogin)
	}
}

func TestDistinguishedName(t *testing.T) {
	for _, test := range []struct {
		want string
		name pkix.RDNSequence
	}{
		{`CN=a\, b\+c\"\\\<\>\;,O=\ x\ `, pkix.RDNSequence{rdn(organizationName, " x "), rdn(commonName, `a, b+c"\<>;`)}},
		{`CN=\#1\00`, pkix.RDNSequence{rdn(commonName, "#1\x00")}},
		{`DC=id,DC=AU`, pkix.RDNSequence{rdn(domainComponent, "AU"), rdn(domainComponent, "id")}},
		{`CN=y+O=x`, pkix.RDNSequence{append(rdn(organizationName, "x"), rdn(commonName, "y")...)}},
		{`1.2.3=#0c0178,CN=Söhne`, pkix.RDNSequence{rdn(commonName, "Söhne"), rdn(asn1.ObjectIdentifier{1, 2, 3}, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("x")})}},
	} {
		der, err := asn1.Marshal(test.name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := principal.DistinguishedName(der); err != nil || got != test.want {
			t.Errorf("got %s, error %v; want %s", got, err, test.want)
		}
	}
}

func TestRevocation(t *testing.T) {
	ca := newAuthority(t, "CA")
	certificate := ca.issue(t, nashName(sender, sender))
	c, list := newClock(), &text{document: ca.crl(t, now.Add(time.Hour))}
	var log bytes.Buffer
	a := open(t, principal.Config{
		Registry: &text{document: document(client(sender, "reception", `"certificates": [{"nash": true}]`))},
		Proofs:   principal.ByCertificate, NASH: []*x509.Certificate{ca.certificate}, CRLs: []principal.Source{list}, CRLGrace: time.Hour,
		Clock: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	r := with(request(), certificate)
	check(t, a, r, "reception", "")

	c.advance(2 * time.Hour) // the end of the grace
	check(t, a, r, "reception", "")
	c.advance(time.Second)
	check(t, a, r, "", fhir.CodeLogin)

	list.set(ca.crl(t, now.AddDate(0, 0, 1), revoking(4712)), nil)
	c.advance(time.Minute)
	check(t, a, r, "reception", "")

	forger := newAuthority(t, "CA")
	list.set(forger.crl(t, now.AddDate(0, 0, 1)), nil)
	c.advance(time.Minute)
	check(t, a, r, "reception", "")
	if !strings.Contains(log.String(), "has signed the list") {
		t.Errorf("got log %s, want that it tells of the forged list", &log)
	}

	list.set(ca.crl(t, now.AddDate(0, 0, 1), revoking(4711)), nil)
	c.advance(time.Minute)
	check(t, a, r, "", fhir.CodeLogin)
}

func TestWrongListsAndIssuers(t *testing.T) {
	ca, forger := newAuthority(t, "CA"), newAuthority(t, "CA")
	tomorrow := now.AddDate(0, 0, 1)
	open := func(ca *x509.Certificate, lists ...string) error {
		c := principal.Config{Registry: &text{document: document(withKey(sender, "one", "a"))}, CAs: []*x509.Certificate{ca}, Clock: newClock().Now}
		for _, list := range lists {
			c.CRLs = append(c.CRLs, &text{document: list})
		}
		_, err := principal.Open(t.Context(), c)
		return err
	}
	partial := func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	}
	block, _ := pem.Decode([]byte(ca.crl(t, tomorrow)))
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"good":              {open(ca.certificate, ca.crl(t, tomorrow)), ""},
		"DER":               {open(ca.certificate, string(block.Bytes)), ""},
		"old":               {open(ca.certificate, ca.crl(t, now.AddDate(0, 0, -1))), ""}, // told in the log
		"none":              {open(ca.certificate), "has none"},
		"forged":            {open(ca.certificate, forger.crl(t, tomorrow)), "has signed the list"},
		"no list":           {open(ca.certificate, "-----BEGIN"), "not a list"},
		"partial":           {open(ca.certificate, ca.crl(t, tomorrow, partial)), "critical extension"},
		"issuer that is no": {open(ca.issue(t, nashName(sender, sender)), ca.crl(t, tomorrow)), "not that of a CA"},
	} {
		if test.want == "" && test.err != nil || test.want != "" && (test.err == nil || !strings.Contains(test.err.Error(), test.want)) {
			t.Errorf("%s: got error %v, want %q", name, test.err, test.want)
		}
	}
}

// TestProofsTogether is who is known by which proofs, as the configuration asks for them.
func TestProofsTogether(t *testing.T) {
	ca, nobody := newAuthority(t, "CA"), newAuthority(t, "nobody")
	ours, theirs, unknown := ca.issue(t, nashName(sender, sender)), ca.issue(t, nashName(other, other)), nobody.issue(t, nashName(sender, sender))
	registry := &text{document: document(
		client(sender, "reception", `"keys": ["`+digest("key-reception")+`"], "certificates": [{"nash": true}]`),
		withKey(sender, "ward", "key-ward"), withKey(other, "laboratory", "key-laboratory"))}
	for _, test := range []struct {
		proofs      principal.Proofs
		certificate *x509.Certificate
		key         string
		want        string
		code        fhir.Code
	}{
		{principal.ByKey, nil, "key-ward", "ward", ""},
		{principal.ByKey, ours, "key-ward", "ward", ""},
		{principal.ByKey, unknown, "key-ward", "ward", ""}, // it proves nothing and is not asked for
		{principal.ByKey, theirs, "key-ward", "", fhir.CodeForbidden},
		{principal.ByKey, ours, "", "", fhir.CodeLogin},
		{principal.ByKey, nil, "", "", fhir.CodeLogin},

		{principal.ByCertificate, ours, "", "reception", ""},
		{principal.ByCertificate, ours, "key-ward", "ward", ""},
		{principal.ByCertificate, ours, "key-unknown", "", fhir.CodeLogin},
		{principal.ByCertificate, theirs, "", "", fhir.CodeLogin}, // no client of theirs has it
		{principal.ByCertificate, theirs, "key-laboratory", "laboratory", ""},
		{principal.ByCertificate, ours, "key-laboratory", "", fhir.CodeForbidden},
		{principal.ByCertificate, nil, "key-ward", "", fhir.CodeLogin},
		{principal.ByCertificate, unknown, "", "", fhir.CodeLogin},

		{principal.ByCertificateAndKey, ours, "key-ward", "ward", ""},
		{principal.ByCertificateAndKey, theirs, "key-laboratory", "laboratory", ""},
		{principal.ByCertificateAndKey, ours, "", "", fhir.CodeLogin},
		{principal.ByCertificateAndKey, nil, "key-ward", "", fhir.CodeLogin},
		{principal.ByCertificateAndKey, unknown, "key-ward", "", fhir.CodeLogin},
		{principal.ByCertificateAndKey, theirs, "key-ward", "", fhir.CodeForbidden},
	} {
		var log bytes.Buffer
		a := open(t, principal.Config{
			Registry: registry, Proofs: test.proofs, NASH: []*x509.Certificate{ca.certificate}, CRLs: []principal.Source{ca.current(t)},
			Log: slog.New(slog.NewJSONHandler(&log, nil)),
		})
		var keys []string
		if test.key != "" {
			keys = []string{test.key}
		}
		r := request(keys...)
		// What a caller says of its certificate is not heard.
		block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.Raw}))
		for _, name := range []string{"X-Client-Cert", "X-Amzn-Mtls-Clientcert", "X-Forwarded-Client-Cert", "Ssl-Client-Cert", "X-Arr-Clientcert"} {
			r.Header.Set(name, url.QueryEscape(block))
		}
		if test.certificate != nil {
			with(r, test.certificate)
		}
		check(t, a, r, test.want, test.code)
		if alarmed := strings.Contains(log.String(), "ALARM"); alarmed != (test.code == fhir.CodeForbidden) || strings.Contains(log.String(), "key-") {
			t.Errorf("%+v: got log %s, want an alarm %v and no key", test, &log, test.code == fhir.CodeForbidden)
		}
	}
}
