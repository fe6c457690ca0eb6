package principal_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// FuzzDistinguishedName holds that a name of a certificate is refused, or written on one line in which no value passes for
// another attribute.
func FuzzDistinguishedName(f *testing.F) {
	for _, value := range []string{"reception", `a,O=b`, `a\`, `"+<>;#`, " x ", "x\x00y", "a\r\nb", "general.8003621566684455.id.electronichealth.net.au"} {
		der, err := asn1.Marshal(pkix.RDNSequence{rdn(commonName, value), rdn(organizationName, "Clinic")})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		name, err := principal.DistinguishedName(der)
		if err != nil {
			return
		}
		var sets []asn1.RawValue
		if rest, err := asn1.Unmarshal(der, &sets); err != nil || len(rest) > 0 {
			t.Fatalf("%x is taken for a name", der)
		}
		attributes := 0
		for _, set := range sets {
			for rest := set.Bytes; len(rest) > 0; attributes++ {
				var attribute asn1.RawValue
				if rest, err = asn1.Unmarshal(rest, &attribute); err != nil {
					t.Fatalf("%x is taken for a name", der)
				}
			}
		}
		separators, escaped := 0, false
		for _, c := range []byte(name) {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == ',' || c == '+':
				separators++
			}
		}
		if got := max(separators+1, 1); attributes > 0 && got != max(attributes, len(sets)) || escaped || strings.ContainsRune(name, 0) {
			t.Errorf("%q has %d attributes, want the %d of %x", name, got, attributes, der)
		}
	})
}
