package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func serverTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:  pkix.Name{Organization: []string{"Development only"}, CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func clientTemplate() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"Development only"}, CommonName: "dev-client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// nashTemplate is shaped as NASH's certificates of organisations are, from the subject's domain components to the policy.
func nashTemplate(hpio string) (*x509.Certificate, error) {
	domainComponent, commonName, organisation := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}
	var name pkix.RDNSequence
	add := func(kind asn1.ObjectIdentifier, value any) {
		name = append(name, pkix.RelativeDistinguishedNameSET{{Type: kind, Value: value}})
	}
	for _, domain := range []string{"AU", "net", "electronichealth", "id", hpio} {
		add(domainComponent, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(domain)}) // RFC 4519 §2.4
	}
	add(organisation, "Development only")
	add(commonName, "general."+hpio+".id.electronichealth.net.au")
	subject, err := asn1.Marshal(name)
	if err != nil {
		return nil, err
	}
	policy, err := x509.ParseOID(principal.NASHPolicy)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		RawSubject: subject, Policies: []x509.OID{policy}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil
}
