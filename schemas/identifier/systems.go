package identifier

import (
	"strings"
	"unicode/utf8"
)

// What the systems of identifiers begin with.
const (
	ns    = "http://ns.electronichealth.net.au/id/"
	hl7au = "http://hl7.org.au/id/"
)

// The prefixes of the numbers of the Healthcare Identifiers Service and the My Health Record (AU Base inv-*-1).
const (
	ihi         = "800360"
	hpii        = "800361"
	hpio        = "800362"
	csp         = "800363"
	participant = "800364" // PAI-O and PAI-D
	caei        = "900360"
)

// wrongCheckDigit is how most slips of the pen show.
const wrongCheckDigit = "has a wrong check digit: one of its digits is mistyped"

// systems is every number system with a rule, or with a name worth telling. It never changes.
var systems = map[string]*System{
	ns + "hi/ihi/1.0":     hiNumber("Individual Healthcare Identifier (IHI)", "inv-ihi-value", ihi),
	ns + "hi/hpii/1.0":    hiNumber("Healthcare Provider Identifier – Individual (HPI-I)", "inv-hpii", hpii),
	ns + "hi/hpio/1.0":    hiNumber("Healthcare Provider Identifier – Organisation (HPI-O)", "inv-hpio", hpio),
	ns + "hi/csp/1.0":     hiNumber("Contracted Service Provider (CSP) number", "inv-csp", csp),
	ns + "pcehr/paio/1.0": hiNumber("PCEHR Assigned Identifier – Organisation (PAI-O)", "inv-paio", participant),
	ns + "pcehr/paid/1.0": hiNumber("PCEHR Assigned Identifier – Device (PAI-D)", "inv-paid", participant),
	ns + "pcehr/caei/1.0": hiNumber("Care Agency Employee (CAE) identifier", "inv-caei", caei),

	hl7au + "npio": {Name: "National Provider Identifier at Organisation (NPIO)", rules: []rule{
		{key: "inv-npio-0", holds: func(v string) bool { return utf8.RuneCountInString(v) == 33 },
			breach: "must have 33 characters: an HPI-I, @ and an HPI-O"},
		{key: "inv-npio-1", holds: npio,
			breach: "must be an HPI-I (16 digits from 800361), @ and an HPI-O (16 digits from 800362)"},
		{key: "npio-check-digits", outside: true,
			holds: func(v string) bool { return Luhn(v[:16]) && Luhn(v[17:]) }, breach: wrongCheckDigit},
	}},
	hl7au + "ahpra-registration-number": {Name: "Ahpra registration number", rules: []rule{
		{key: "inv-ahpra-0", holds: ahpra,
			breach: "must be three capital letters for the profession and ten digits, such as MED and ten digits"},
	}},
	hl7au + "abn": {Name: "Australian Business Number (ABN)", rules: []rule{
		{key: "inv-abn-0", holds: digits(11), breach: "must be 11 digits, without spaces"},
		{key: "abn-check-digits", outside: true, holds: ABN, breach: wrongCheckDigit},
	}},
	hl7au + "acn":  company("Australian Company Number (ACN)", "acn"),
	hl7au + "arbn": company("Australian Registered Body Number (ARBN)", "arbn"),
	hl7au + "dpid": {Name: "Delivery Point Identifier (DPID)", rules: []rule{
		{key: "inv-dpid-0", holds: digits(8), breach: "must be 8 digits, without spaces"},
	}},

	ns + "medicare-number": {Name: "Medicare card number", rules: []rule{
		{key: "medicare-form", outside: true, holds: func(v string) bool { return Digits(v, 10) || Digits(v, 11) },
			breach: "must be 10 digits, or 11 with the person's place on the card (IRN), without spaces"},
		{key: "medicare-first-digit", outside: true, holds: func(v string) bool { return '2' <= v[0] && v[0] <= '6' },
			breach: "must begin with a digit from 2 to 6"},
		{key: "medicare-check-digit", outside: true, holds: Medicare, breach: wrongCheckDigit},
		{key: "medicare-irn", outside: true, holds: func(v string) bool { return len(v) == 10 || v[10] != '0' },
			breach: "ends in 0, but the person's place on the card (IRN) is from 1 to 9"},
	}},
	ns + "medicare-provider-number": {Name: "Medicare provider number", rules: []rule{
		{key: "provider-form", outside: true, holds: func(v string) bool { _, _, ok := providerParts(v); return ok },
			breach: "must be up to six digits, a character for the practice location and a capital letter that checks them"},
		{key: "provider-check-letter", outside: true, holds: Provider, breach: "has a wrong check letter: one of its characters is mistyped"},
	}},
	ns + "medicare-prescriber-number": {Name: "PBS prescriber number", rules: []rule{
		{key: "prescriber-form", outside: true, holds: func(v string) bool { return Digits(v, 6) || Digits(v, 7) },
			breach: "must be 6 or 7 digits, without spaces"},
	}},
	ns + "dva": {Name: "DVA file number", rules: []rule{
		{key: "dva-form", outside: true, holds: DVA,
			breach: "must be the letter of a state, up to three letters for the war, digits, and a letter for a dependant if there is one"},
	}},
	ns + "centrelink-customer-reference-number": {Name: "Centrelink customer reference number (CRN) of a concession card", rules: []rule{
		{key: "crn-form", outside: true, holds: crn,
			breach: "must be nine digits and a capital letter, without spaces"},
	}},

	// Named only: no check of theirs is published.
	ns + "location-specific-practice-number": {Name: "Location Specific Practice Number (LSPN)"},
	ns + "pharmacy-approval-number":          {Name: "pharmacy approval number"},
	ns + "residential-aged-care-service-id":  {Name: "residential aged care service identifier (RACS ID)"},
	hl7au + "nata-accreditation":             {Name: "NATA accreditation number"},
	hl7au + "nata-site":                      {Name: "NATA site number"},
	hl7au + "gnafidentifier":                 {Name: "G-NAF address identifier"},
}

// hiNumber returns a system of 16 digits that begin with prefix and end in a Luhn check digit.
func hiNumber(name, key, prefix string) *System {
	return &System{Name: name, rules: []rule{
		{key: key + "-0", holds: digits(16), breach: "must be 16 digits, without spaces"},
		{key: key + "-1", holds: func(v string) bool { return strings.HasPrefix(v, prefix) },
			breach: "must begin with " + prefix, why: func(v string) string { return mistaken(v, prefix) }},
		{key: key + "-2", holds: Luhn, breach: wrongCheckDigit},
	}}
}

// mistaken tells that value is a good number of another kind, the commonest reason for a wrong prefix.
func mistaken(value, prefix string) string {
	if !Digits(value, 16) || !Luhn(value) {
		return ""
	}
	switch value[:len(ihi)] {
	case ihi:
		return "must begin with " + prefix + "; this is an IHI"
	case hpii:
		return "must begin with " + prefix + "; this is an HPI-I"
	case hpio:
		return "must begin with " + prefix + "; this is an HPI-O"
	}
	return ""
}

// company returns a system of ASIC's: nine digits, the last a check digit.
func company(name, key string) *System {
	return &System{Name: name, rules: []rule{
		{key: "inv-" + key + "-0", holds: digits(9), breach: "must be 9 digits, without spaces"},
		{key: key + "-check-digit", outside: true, holds: ACN, breach: wrongCheckDigit},
	}}
}

func digits(n int) func(string) bool { return func(v string) bool { return Digits(v, n) } }
