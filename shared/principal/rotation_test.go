package principal_test

import (
	"crypto/x509"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestIssuersRotate: while an issuer gives way to another one, certificates of both are good; each is refused where its issuer
// is not trusted, yet or any more.
func TestIssuersRotate(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	old, renewed := before.issue(t, nashName(sender, sender)), after.issue(t, nashName(sender, sender))
	for name, test := range map[string]struct {
		trusted                []*x509.Certificate
		lists                  []principal.Source
		takesOld, takesRenewed bool
	}{
		"before":  {[]*x509.Certificate{before.certificate}, []principal.Source{before.current(t)}, true, false},
		"overlap": {[]*x509.Certificate{before.certificate, after.certificate}, []principal.Source{before.current(t), after.current(t)}, true, true},
		"after":   {[]*x509.Certificate{after.certificate}, []principal.Source{after.current(t)}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, principal.Config{
				Registry: &text{document: document(client(sender, "reception", `"certificates": [{"nash": true}]`))},
				Proofs:   principal.ByCertificate, NASH: test.trusted, CRLs: test.lists, Clock: newClock().Now,
			})
			for _, c := range []struct {
				certificate *x509.Certificate
				taken       bool
			}{{old, test.takesOld}, {renewed, test.takesRenewed}} {
				if c.taken {
					check(t, a, with(request(), c.certificate), "reception", "")
				} else {
					check(t, a, with(request(), c.certificate), "", fhir.CodeLogin)
				}
			}
		})
	}
}

// TestKnows: an organisation is known by any client of the registry.
func TestKnows(t *testing.T) {
	a := principal.Development()
	for org, want := range map[string]bool{"8003621566684455": true, "8003624900041689": true, "8003629900049996": false, "": false} {
		if got := a.Knows(org); got != want {
			t.Errorf("%q: got %v, want %v", org, got, want)
		}
	}
}
