package identifier_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

const (
	ns    = "http://ns.electronichealth.net.au/id/"
	hl7au = "http://hl7.org.au/id/"
)

// The good numbers are counted up from 0123456789 and the like, with the check digit that follows: nobody's on
// purpose.
var cases = []struct {
	name, system, value string
	key                 string // of the broken rule
	says                string // part of the sentence; "" for a good number
}{
	{"IHI", ns + "hi/ihi/1.0", "8003600123456789", "", ""},
	{"IHI of 15 digits", ns + "hi/ihi/1.0", "800360012345678", "inv-ihi-value-0", "16 digits"},
	{"IHI of 17 digits", ns + "hi/ihi/1.0", "80036001234567890", "inv-ihi-value-0", "16 digits"},
	{"IHI with spaces", ns + "hi/ihi/1.0", "8003 6001 2345 6789", "inv-ihi-value-0", "without spaces"},
	{"IHI with a line feed", ns + "hi/ihi/1.0", "8003600123456789\n", "inv-ihi-value-0", "16 digits"},
	{"IHI of full-width digits", ns + "hi/ihi/1.0", "８００３６００１２３４５６７８９", "inv-ihi-value-0", "16 digits"},
	{"IHI with the check digit of another", ns + "hi/ihi/1.0", "8003600123456780", "inv-ihi-value-2", "check digit"},
	{"IHI with two digits swapped", ns + "hi/ihi/1.0", "8003600123465789", "inv-ihi-value-2", "check digit"},
	{"HPI-I as IHI", ns + "hi/ihi/1.0", "8003610123456788", "inv-ihi-value-1", "800360; this is an HPI-I"},
	{"HPI-O as IHI", ns + "hi/ihi/1.0", "8003620123456787", "inv-ihi-value-1", "800360; this is an HPI-O"},
	{"unknown prefix as IHI", ns + "hi/ihi/1.0", "9003600123456787", "inv-ihi-value-1", "800360"},
	{"HPI-I", ns + "hi/hpii/1.0", "8003610123456788", "", ""},
	{"IHI as HPI-I", ns + "hi/hpii/1.0", "8003600123456789", "inv-hpii-1", "800361; this is an IHI"},
	{"HPI-I with a letter", ns + "hi/hpii/1.0", "800361012345678A", "inv-hpii-0", "16 digits"},
	{"HPI-I of a wrong check digit", ns + "hi/hpii/1.0", "8003610123456789", "inv-hpii-2", "check digit"},
	{"HPI-O", ns + "hi/hpio/1.0", "8003620123456787", "", ""},
	{"HPI-O of a wrong check digit", ns + "hi/hpio/1.0", "8003620123456788", "inv-hpio-2", "check digit"},
	{"CSP", ns + "hi/csp/1.0", "8003630123456786", "", ""},
	{"CSP of a wrong check digit", ns + "hi/csp/1.0", "8003630123456787", "inv-csp-2", "check digit"},
	{"PAI-O", ns + "pcehr/paio/1.0", "8003640123456785", "", ""},
	{"PAI-O of a wrong prefix", ns + "pcehr/paio/1.0", "8003630123456786", "inv-paio-1", "800364"},
	{"PAI-D", ns + "pcehr/paid/1.0", "8003641122334452", "", ""},
	{"PAI-D of a wrong check digit", ns + "pcehr/paid/1.0", "8003641122334450", "inv-paid-2", "check digit"},
	{"CAE", ns + "pcehr/caei/1.0", "9003600123456787", "", ""},
	{"CAE with the prefix of an IHI", ns + "pcehr/caei/1.0", "8003600123456789", "inv-caei-1", "900360"},
	{"NPIO", hl7au + "npio", "8003610123456788@8003620123456787", "", ""},
	{"NPIO too short", hl7au + "npio", "8003610123456788@", "inv-npio-0", "33 characters"},
	{"NPIO the wrong way round", hl7au + "npio", "8003620123456787@8003610123456788", "inv-npio-1", "HPI-I"},
	{"NPIO of a wrong check digit", hl7au + "npio", "8003610123456788@8003620123456780", "npio-check-digits", "check digit"},
	{"Ahpra", hl7au + "ahpra-registration-number", "MED0001234567", "", ""},
	{"Ahpra in small letters", hl7au + "ahpra-registration-number", "med0001234567", "inv-ahpra-0", "three capital letters"},
	{"Ahpra too long", hl7au + "ahpra-registration-number", "MED00012345678", "inv-ahpra-0", "ten digits"},
	{"Ahpra of four letters", hl7au + "ahpra-registration-number", "MEDX001234567", "inv-ahpra-0", "three capital letters"},
	{"ABN", hl7au + "abn", "28012345678", "", ""},
	{"ABN with spaces", hl7au + "abn", "28 012 345 678", "inv-abn-0", "11 digits"},
	{"ABN of wrong check digits", hl7au + "abn", "29012345678", "abn-check-digits", "check digit"},
	{"ACN", hl7au + "acn", "012345676", "", ""},
	{"ACN too long", hl7au + "acn", "0123456760", "inv-acn-0", "9 digits"},
	{"ACN of a wrong check digit", hl7au + "acn", "012345678", "acn-check-digit", "check digit"},
	{"ARBN", hl7au + "arbn", "012345676", "", ""},
	{"ARBN too short", hl7au + "arbn", "01234567", "inv-arbn-0", "9 digits"},
	{"DPID", hl7au + "dpid", "01234567", "", ""},
	{"DPID too long", hl7au + "dpid", "012345678", "inv-dpid-0", "8 digits"},
	{"Medicare", ns + "medicare-number", "2012345611", "", ""},
	{"Medicare with IRN", ns + "medicare-number", "20123456112", "", ""},
	{"Medicare with spaces", ns + "medicare-number", "2012 34561 1", "medicare-form", "without spaces"},
	{"Medicare that begins with 1", ns + "medicare-number", "1012345601", "medicare-first-digit", "from 2 to 6"},
	{"Medicare of a wrong check digit", ns + "medicare-number", "20123456212", "medicare-check-digit", "check digit"},
	{"Medicare with IRN 0", ns + "medicare-number", "20123456110", "medicare-irn", "IRN"},
	{"provider", ns + "medicare-provider-number", "012345KJ", "", ""},
	{"provider without the leading zero", ns + "medicare-provider-number", "12345KJ", "", ""},
	{"provider, last location", ns + "medicare-provider-number", "900001YK", "", ""},
	{"provider of a wrong letter", ns + "medicare-provider-number", "012345KH", "provider-check-letter", "check letter"},
	{"provider of an impossible location", ns + "medicare-provider-number", "012345IJ", "provider-form", "practice location"},
	{"provider of an impossible letter", ns + "medicare-provider-number", "012345KZ", "provider-form", "capital letter"},
	{"provider of seven digits", ns + "medicare-provider-number", "0012345KJ", "provider-form", "six digits"},
	{"prescriber", ns + "medicare-prescriber-number", "0123456", "", ""},
	{"prescriber of five digits", ns + "medicare-prescriber-number", "01234", "prescriber-form", "6 or 7 digits"},
	{"DVA", ns + "dva", "NX012345", "", ""},
	{"DVA of a dependant", ns + "dva", "VABC0123W", "", ""},
	{"DVA of a blank war", ns + "dva", "Q 012345", "", ""},
	{"DVA of no state", ns + "dva", "XX012345", "dva-form", "state"},
	{"DVA without war", ns + "dva", "N012345", "dva-form", "war"},
	{"DVA with five digits after three letters", ns + "dva", "NABC01234", "dva-form", "digits"},
	{"DVA of four letters", ns + "dva", "NABCD012", "dva-form", "three letters"},
	{"DVA without digits", ns + "dva", "NX", "dva-form", "digits"},
	{"DVA of two dependants", ns + "dva", "NX01AB", "dva-form", "dependant"},
	{"CRN", ns + "centrelink-customer-reference-number", "012345678A", "", ""},
	{"CRN without its letter", ns + "centrelink-customer-reference-number", "012345678", "crn-form", "capital letter"},
	{"LSPN, which has no rule", ns + "location-specific-practice-number", "1", "", ""},
}

func TestCheck(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			system, ok := identifier.Lookup(c.system)
			if !ok {
				t.Fatalf("no system %s", c.system)
			}
			got := system.Check(c.value)
			if c.says == "" {
				if diff := cmp.Diff([]identifier.Problem(nil), got); diff != "" {
					t.Fatalf("problems of a good number (-want +got):\n%s", diff)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("got %d problems, want 1", len(got))
			}
			if got[0].Key != c.key || got[0].Outside == strings.HasPrefix(c.key, "inv-") {
				t.Errorf("got key %q, outside %v; want %q", got[0].Key, got[0].Outside, c.key)
			}
			if !strings.Contains(got[0].Sentence, c.says) || !strings.HasPrefix(got[0].Sentence, "The "+system.Name+" ") {
				t.Errorf("got %q, want the name of the number and %q", got[0].Sentence, c.says)
			}
			if strings.Contains(got[0].Sentence, c.value) {
				t.Errorf("the sentence gives the number away: %q", got[0].Sentence)
			}
		})
	}
}

// TestLuhnStandsAlone: as inv-ihi-value-2 and its kin, Luhn looks at 16 characters and leaves the rest of the value
// to other invariants.
func TestLuhnStandsAlone(t *testing.T) {
	for value, want := range map[string]bool{
		"8003600123456789": true, "8003610123456788": true, "80036001234567890": true, "8003600123456789 x": true, "0000000000000000": true,
		"8003600123456780": false, "800360012345678": false, "": false, "ABCDEFGHIJKLMNOP": false, "800360012345678９": false, "+003600123456789": false,
	} {
		if got := identifier.Luhn(value); got != want {
			t.Errorf("Luhn(%q): got %v, want %v", value, got, want)
		}
	}
}

func TestLookupIsExact(t *testing.T) {
	for _, system := range []string{"", "http://ns.electronichealth.net.au/id/hi/IHI/1.0", ns + "hi/ihi/1.0/", ns + "hpio-scoped/order/1.0/8003620123456787"} {
		if _, ok := identifier.Lookup(system); ok {
			t.Errorf("Lookup(%q) found one", system)
		}
	}
}

// TestCheckDigitsCatchEverySlip changes each digit of a good number to each other one. Weights that share a factor
// with ten cannot catch all of it (ACN's 8, 6, 5, 4 and 2), nor can 11 letters tell 32 practice locations apart.
func TestCheckDigitsCatchEverySlip(t *testing.T) {
	for _, c := range []struct {
		name, number string
		skip         []int // where they cannot
		holds        func(string) bool
	}{
		{"Luhn", "8003600123456789", nil, identifier.Luhn},
		{"ABN", "28012345678", nil, identifier.ABN},
		{"ACN", "012345676", []int{0, 2, 3, 4, 6}, identifier.ACN},
		{"Medicare", "201234561", nil, identifier.Medicare},
		{"Provider", "012345KJ", []int{6}, identifier.Provider},
	} {
		if !c.holds(c.number) {
			t.Errorf("%s: the number is right", c.name)
		}
		for i := range c.number {
			for digit := byte('0'); digit <= '9'; digit++ {
				wrong := c.number[:i] + string(digit) + c.number[i+1:]
				if wrong != c.number && !slices.Contains(c.skip, i) && c.holds(wrong) {
					t.Errorf("%s: digit %d changed to %c is not noticed", c.name, i, digit)
				}
			}
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		f.Add(c.system, c.value)
	}
	f.Fuzz(func(t *testing.T, uri, value string) {
		system, ok := identifier.Lookup(uri)
		if !ok {
			return
		}
		for _, p := range system.Check(value) {
			if len(value) > len("800360") && strings.Trim(value, "0123456789") == "" && strings.Contains(p.Sentence, value) {
				t.Errorf("the sentence %q gives the number away", p.Sentence)
			}
			if p.Key == "" || p.Outside == strings.HasPrefix(p.Key, "inv-") {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
