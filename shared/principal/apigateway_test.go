package principal_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestCertificateOfAPIGateway: what the event of a REST or HTTP API has in its context counts, and no header.
func TestCertificateOfAPIGateway(t *testing.T) {
	ca := newAuthority(t, "CA")
	in := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	good := in(ca.issue(t, nashName(sender, sender)))
	a := open(t, principal.Config{
		Registry: &text{document: document(client(sender, "reception", `"certificates": [{"nash": true}]`))},
		Proofs:   principal.ByCertificate, NASH: []*x509.Certificate{ca.certificate}, CRLs: []principal.Source{ca.current(t)},
	})
	type object = map[string]any
	rest := func(certificate any) object {
		return object{"httpMethod": "GET", "path": "/fhir/Patient", "headers": object{"X-Client-Cert": good},
			"requestContext": object{"identity": object{"clientCert": certificate}}}
	}
	httpAPI := func(certificate any) object {
		return object{"version": "2.0", "rawPath": "/fhir/Patient", "headers": object{"X-Client-Cert": good},
			"requestContext": object{"http": object{"method": "GET"}, "authentication": object{"clientCert": certificate}}}
	}
	for _, test := range []struct {
		name        string
		certificate any
		want        string
	}{
		{"good", object{"clientCertPem": good, "subjectDN": "CN=general." + other + ".id.electronichealth.net.au"}, "reception"},
		{"none", nil, ""},
		{"names only", object{"subjectDN": "CN=general." + sender + ".id.electronichealth.net.au", "issuerDN": "CN=CA"}, ""},
		{"garbled", object{"clientCertPem": good[:200] + "!" + good[201:]}, ""},
		{"two", object{"clientCertPem": good + good}, ""},
		{"of another CA", object{"clientCertPem": in(newAuthority(t, "CA").issue(t, nashName(sender, sender)))}, ""},
	} {
		for shape, event := range map[string]object{"REST": rest(test.certificate), "HTTP": httpAPI(test.certificate)} {
			t.Run(test.name+" "+shape, func(t *testing.T) {
				payload, err := json.Marshal(event)
				if err != nil {
					t.Fatal(err)
				}
				handler := awslambda.Handle(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { check(t, a, r, test.want, "login") }))
				if _, err := handler.Invoke(t.Context(), payload); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
