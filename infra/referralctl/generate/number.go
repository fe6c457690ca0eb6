package generate

import "strconv"

// What the numbers of the Healthcare Identifiers Service begin with (AU Base inv-ihi-value-1, inv-hpii-1, inv-hpio-1).
const (
	ihiPrefix  = "800360"
	hpiiPrefix = "800361"
	hpioPrefix = "800362"
)

// The systems of identifiers.
const (
	systemIHI      = "http://ns.electronichealth.net.au/id/hi/ihi/1.0"
	systemHPII     = "http://ns.electronichealth.net.au/id/hi/hpii/1.0"
	systemHPIO     = "http://ns.electronichealth.net.au/id/hi/hpio/1.0"
	systemMedicare = "http://ns.electronichealth.net.au/id/medicare-number"
	systemDVA      = "http://ns.electronichealth.net.au/id/dva"
	systemProvider = "http://ns.electronichealth.net.au/id/medicare-provider-number"
	systemOrder    = "http://ns.electronichealth.net.au/id/hpio-scoped/order/1.0/"
)

// hiNumber returns prefix, nine random digits and the check digit.
func (g *Generator) hiNumber(prefix string) string {
	digits := g.digits([]byte(prefix), 9)
	return string(append(digits, luhn(digits)))
}

// validHI tells whether number is one of the Healthcare Identifiers Service that begins with prefix.
func validHI(number, prefix string) bool {
	if len(number) != 16 || number[:len(prefix)] != prefix {
		return false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
	}
	return luhn([]byte(number[:15])) == number[15]
}

// luhn returns the digit that makes the Luhn sum of digits and itself a multiple of ten.
func luhn(digits []byte) byte {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}

// medicare returns a Medicare card number: eight digits, their check digit, the card's issue and the person's place
// on the card.
func (g *Generator) medicare() string {
	digits := g.digits([]byte{byte('0' + g.between(2, 6))}, 7)
	sum := 0
	for i, weight := range [8]int{1, 3, 7, 9, 1, 3, 7, 9} {
		sum += int(digits[i]-'0') * weight
	}
	return string(append(digits, byte('0'+sum%10), byte('0'+g.between(1, 9)), byte('0'+g.between(1, 6))))
}

// Of a provider number: the characters of a practice location in the order of their values, and the check characters
// in the order of the remainders.
const (
	practiceLocations  = "0123456789ABCDEFGHJKLMNPQRTUVWXY"
	providerCheckChars = "YXWTLKJHFBA"
)

// provider returns a Medicare provider number: six digits, a practice location and the check character.
func (g *Generator) provider() string {
	digits := g.digits(nil, 6)
	location := g.rand.IntN(len(practiceLocations))
	sum := location * 6
	for i, weight := range [6]int{3, 5, 8, 4, 2, 1} {
		sum += int(digits[i]-'0') * weight
	}
	return string(append(digits, practiceLocations[location], providerCheckChars[sum%11]))
}

// dva returns a file number of the Department of Veterans' Affairs.
func (g *Generator) dva() string {
	return string(g.digits([]byte{"NVQWST"[g.rand.IntN(6)], 'X'}, 6))
}

// digits appends n random digits to b.
func (g *Generator) digits(b []byte, n int) []byte {
	for range n {
		b = append(b, byte('0'+g.rand.IntN(10)))
	}
	return b
}

// phone returns a number that ACMA keeps for fiction, with area code area.
func (g *Generator) phone(area string) string {
	return "(" + area + ") " + pick(g, fictionPrefixes) + " " + strconv.Itoa(g.between(1000, 9999))
}

var (
	fictionPrefixes = []string{"5550", "7010"}
	fictionMobiles  = []string{
		"0491 570 006", "0491 570 156", "0491 570 157", "0491 570 158", "0491 570 159", "0491 570 110",
		"0491 570 313", "0491 570 737", "0491 571 266", "0491 571 491", "0491 571 804",
	}
)
