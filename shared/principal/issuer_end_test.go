package principal_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestExpiredIssuer: when the certificate of a pinned issuer ends, what it has issued is worth nothing, whatever else the registry
// says of it: what is revoked stays so, and a NASH certificate stays one.
func TestExpiredIssuer(t *testing.T) {
	ca := newAuthority(t, "CA")
	ca.certificate = func() *x509.Certificate { // ends before what it issues
		template := *ca.certificate
		template.NotAfter = now.AddDate(0, 6, 0)
		return sign(t, &template, &template, ca.key.Public(), ca.key)
	}()
	good, revoked, foreign := ca.issue(t, nashName(sender, sender)), ca.issue(t, nashName(sender, sender), serial(4712)), ca.issue(t, nashName(other, other), serial(4713))
	print := func(c *x509.Certificate) string { sum := sha256.Sum256(c.Raw); return hex.EncodeToString(sum[:]) }
	config := principal.Config{
		Registry: &text{document: document(client(sender, "mapped", `"certificates": [{"sha256": "`+print(good)+`"}, {"sha256": "`+print(revoked)+`"}, {"sha256": "`+print(foreign)+`"}]`))},
		Proofs:   principal.ByCertificate, NASH: []*x509.Certificate{ca.certificate},
		CRLs: []principal.Source{&text{document: ca.crl(t, now.AddDate(1, 0, 0), revoking(4712))}},
	}
	for name, at := range map[string]time.Time{"before": now, "behind its end": now.AddDate(0, 7, 0)} {
		config.Clock = func() time.Time { return at }
		a := open(t, config)
		want := "mapped"
		if name != "before" {
			want = ""
		}
		t.Run(name, func(t *testing.T) {
			check(t, a, with(request(), good), want, fhir.CodeLogin)
			check(t, a, with(request(), revoked), "", fhir.CodeLogin)
			check(t, a, with(request(), foreign), "", fhir.CodeLogin) // mapped to another organisation than its own
		})
	}
}

func serial(n int64) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.SerialNumber.SetInt64(n) }
}

// TestEmergencyList: of two lists of an issuer the one that was issued later counts, also when it is due for a next one earlier, as one
// is that comes out of turn.
func TestEmergencyList(t *testing.T) {
	ca := newAuthority(t, "CA")
	ordinary := ca.crl(t, now.AddDate(0, 0, 30))
	emergency := ca.crl(t, now.AddDate(0, 0, 7), revoking(4711), func(l *x509.RevocationList) {
		l.Number, l.ThisUpdate = big.NewInt(2), now.AddDate(0, 0, -1)
	})
	for name, lists := range map[string][]principal.Source{
		"first": {&text{document: emergency}, &text{document: ordinary}},
		"last":  {&text{document: ordinary}, &text{document: emergency}},
	} {
		a := open(t, principal.Config{
			Registry: &text{document: document(client(sender, "reception", `"certificates": [{"nash": true}]`))},
			Proofs:   principal.ByCertificate, NASH: []*x509.Certificate{ca.certificate}, CRLs: lists,
		})
		t.Run(name, func(t *testing.T) {
			check(t, a, with(request(), ca.issue(t, nashName(sender, sender))), "", fhir.CodeLogin)
		})
	}
}
