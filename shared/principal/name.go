package principal

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// attributeTypes are the names of RFC 4514 §3, and serialNumber, which Australian organisations' certificates have.
var attributeTypes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "STREET",
	"2.5.4.10": "O", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.1": "UID", domainComponent: "DC",
}

// The attribute types by which NASH names organisations.
const (
	commonName      = "2.5.4.3"
	domainComponent = "0.9.2342.19200300.100.1.25"
)

// attribute is one of a relative name, which are a SET: package asn1 knows it by the type's name.
type (
	attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	relativeNameSET []attribute
)

// text returns the value of a if it is a string of whatever kind.
func (a attribute) text() (value string, ok bool) {
	rest, err := asn1.Unmarshal(a.Value.FullBytes, &value)
	return value, err == nil && len(rest) == 0
}

func (a attribute) String() string {
	name, known := attributeTypes[a.Type.String()]
	if value, ok := a.text(); ok && known {
		return name + "=" + escape(value)
	}
	return a.Type.String() + "=#" + hex.EncodeToString(a.Value.FullBytes)
}

// DistinguishedName returns the Name in der (x509.Certificate.RawSubject or RawIssuer) as RFC 4514 writes it, such as
// CN=reception,O=Clinic\, East,C=AU: for a registry. It is never split again.
func DistinguishedName(der []byte) (string, error) {
	names, err := parseName(der)
	if err != nil {
		return "", err
	}
	var written []string
	for _, set := range slices.Backward(names) {
		var attributes []string
		for _, a := range set {
			attributes = append(attributes, a.String())
		}
		written = append(written, strings.Join(attributes, "+"))
	}
	return strings.Join(written, ","), nil
}

func parseName(der []byte) (names []relativeNameSET, err error) {
	if rest, err := asn1.Unmarshal(der, &names); err != nil || len(rest) > 0 {
		return nil, errors.New("a name in the certificate is not one of X.501")
	}
	return names, nil
}

// escape writes an attribute's value (RFC 4514 §2.4).
func escape(value string) string {
	var b strings.Builder
	for i, c := range []byte(value) {
		switch {
		case c == 0:
			b.WriteString(`\00`)
			continue
		case strings.IndexByte(`"+,;<>\`, c) >= 0,
			c == ' ' && (i == 0 || i == len(value)-1),
			c == '#' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
