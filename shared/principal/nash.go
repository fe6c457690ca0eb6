package principal

import (
	"crypto/x509"
	"errors"
	"regexp"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

// NASHPolicy is the policy under which the National Authentication Service for Health certifies organisations.
const NASHPolicy = "1.2.36.174030967.1.20.1.1"

var nashName = regexp.MustCompile(`^general\.(800362[0-9]{10})\.id\.electronichealth\.net\.au$`)

// nashOrganisation returns the HPI-O of a certificate that a NASH issuer has signed. It reads the names as they are
// encoded: a text that only looks like a common name, within another attribute, counts for nothing.
func nashOrganisation(c *x509.Certificate) (hpio string, err error) {
	if !slices.ContainsFunc(c.Policies, func(policy x509.OID) bool { return policy.String() == NASHPolicy }) {
		return "", errors.New("NASH: the certificate lacks the policy of organisations")
	}
	names, err := parseName(c.RawSubject)
	if err != nil {
		return "", err
	}
	var common, domains []string
	for _, set := range names {
		if len(set) != 1 {
			return "", errors.New("NASH: a relative name of the subject has several values")
		}
		value, isText := set[0].text()
		if !isText {
			return "", errors.New("NASH: an attribute of the subject is no text")
		}
		switch set[0].Type.String() {
		case commonName:
			common = append(common, value)
		case domainComponent:
			if identifier.Digits(value, 16) {
				domains = append(domains, value)
			}
		}
	}
	if len(common) != 1 {
		return "", errors.New("NASH: the subject has not exactly one common name")
	}
	match := nashName.FindStringSubmatch(common[0])
	switch {
	case match == nil:
		return "", errors.New("NASH: the common name is not that of an organisation")
	case !identifier.IsHPIO(match[1]):
		return "", errors.New("NASH: the check digit of the HPI-O is wrong")
	case len(domains) != 1 || domains[0] != match[1]:
		return "", errors.New("NASH: common name and domain component have not the same HPI-O")
	}
	return match[1], nil
}
