package identifier

import "strings"

// Digits tells whether value is exactly n of the digits 0 to 9: those of other scripts look the same to a person and
// not to any system that receives them.
func Digits(value string, n int) bool {
	if len(value) != n {
		return false
	}
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return false
		}
	}
	return true
}

// Luhn tells whether the first 16 characters of value are digits whose Luhn sum, the last being the check digit, is
// a multiple of ten. What follows them does not matter, and fewer do not pass: so says the FHIRPath of AU Base
// (inv-ihi-value-2 and its kin), which leaves the length to another invariant.
func Luhn(value string) bool {
	if len(value) < 16 || !Digits(value[:16], 16) {
		return false
	}
	sum := 0
	for i := range 16 {
		digit := int(value[i] - '0')
		if i%2 == 0 { // every second digit from the right, of sixteen
			digit *= 2
		}
		sum += digit/10 + digit%10
	}
	return sum%10 == 0
}

// sum returns the digits of value times their weights; value begins with as many digits as there are weights.
func sum(value string, weights ...int) int {
	s := 0
	for i, weight := range weights {
		s += int(value[i]-'0') * weight
	}
	return s
}

// Medicare tells whether the ninth digit of a Medicare card number checks the eight before it. Not of digits only,
// or shorter, it fails. (Services Australia)
func Medicare(value string) bool {
	return len(value) >= 9 && Digits(value[:9], 9) && sum(value, 1, 3, 7, 9, 1, 3, 7, 9)%10 == int(value[8]-'0')
}

// ABN tells whether the two leading digits of an Australian Business Number check the other nine. Of anything but 11
// digits it fails. (Australian Business Register, "Format of the ABN")
func ABN(value string) bool {
	return Digits(value, 11) && (sum(value, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)-10)%89 == 0
}

// ACN tells whether the last of nine digits checks the others, in a company number (ACN) or a registered body number
// (ARBN). (ASIC, "Australian Company Number digit check")
func ACN(value string) bool {
	return Digits(value, 9) && (10-sum(value, 8, 7, 6, 5, 4, 3, 2, 1)%10)%10 == int(value[8]-'0')
}

// Of a provider number: the characters of a practice location in the order of their values (no I, O, S and Z, which
// are mistaken for digits), and the check letters in the order of the remainders.
const (
	practiceLocations = "0123456789ABCDEFGHJKLMNPQRTUVWXY"
	providerLetters   = "YXWTLKJHFBA"
)

// Provider tells whether a Medicare provider number, of up to six digits, a practice location and a check letter,
// has the right letter. (Services Australia, provider number check digit)
func Provider(value string) bool {
	stem, location, ok := providerParts(value)
	return ok && providerLetters[(sum(stem, 3, 5, 8, 4, 2, 1)+location*6)%11] == value[len(value)-1]
}

// providerParts returns the six digits of a provider number, filled up with zeros, and the value of its location.
func providerParts(value string) (stem string, location int, ok bool) {
	n := len(value) - 2
	if n < 1 || n > 6 || !Digits(value[:n], n) || strings.IndexByte(providerLetters, value[n+1]) < 0 {
		return "", 0, false
	}
	location = strings.IndexByte(practiceLocations, value[n])
	return "000000"[n:] + value[:n], location, location >= 0
}

// DVA tells whether value has the form of a file number of the Department of Veterans' Affairs: state, war code
// (blank, or one to three letters, which leave room for fewer digits), digits, and the dependant's letter.
// (METEOR 339127)
func DVA(value string) bool {
	if value == "" || strings.IndexByte("NVQWST", value[0]) < 0 {
		return false
	}
	rest := value[1:]
	letters, room := count(rest, isCapital), 6
	switch {
	case letters == 0 && strings.HasPrefix(rest, " "):
		rest = rest[1:]
	case letters == 0 || letters > 3:
		return false
	default:
		rest, room = rest[letters:], 7-letters
	}
	n := count(rest, isDigit)
	rest = rest[n:]
	return 1 <= n && n <= room && (rest == "" || len(rest) == 1 && isCapital(rest[0]))
}

// npio tells whether value is an HPI-I, @ and an HPI-O by their digits and prefixes.
func npio(value string) bool {
	individual, organisation, found := strings.Cut(value, "@")
	return found && Digits(individual, 16) && strings.HasPrefix(individual, hpii) &&
		Digits(organisation, 16) && strings.HasPrefix(organisation, hpio)
}

// ahpra tells whether value is three capital letters and ten digits.
func ahpra(value string) bool {
	return len(value) == 13 && count(value, isCapital) == 3 && Digits(value[3:], 10)
}

// crn tells whether value is nine digits and a capital letter; how the letter checks them is not published.
func crn(value string) bool {
	return len(value) == 10 && Digits(value[:9], 9) && isCapital(value[9])
}

// count returns how many bytes at the start of s are what is says.
func count(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
