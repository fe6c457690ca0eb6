package invariant

import (
	"math/big"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
)

// notAfter is earlier <= later of two dates or times: empty where one has no value, and true where precision leaves
// it open (2024 and 2024-05), as FHIR R5 reads these rules: nothing is wrong then. Two times with zones are
// compared as instants; a date and a time as the calendar dates that are written.
func notAfter(earlier, later string) predicate {
	from, to := parse(earlier), parse(later)
	return func(_ Env, e element.Element) answer {
		a, b := from.first(e).Text(), to.first(e).Text()
		if a == "" || b == "" {
			return empty
		}
		return of(!after(a, b))
	}
}

// after tells whether the date or dateTime a is certainly later than b.
func after(a, b string) bool {
	if strings.Contains(a, "T") && strings.Contains(b, "T") {
		x, errX := time.Parse(time.RFC3339, a)
		y, errY := time.Parse(time.RFC3339, b)
		return errX == nil && errY == nil && x.After(y)
	}
	n := min(len(a), len(b), len("2006-01-02"))
	return a[:n] > b[:n]
}

// maxDecimal is the longest number that is compared; the gate lets none through that is longer.
const maxDecimal = 64

// compareDecimals returns -1, 0 or 1 for two JSON numbers, however they are written; false for what is none.
func compareDecimals(a, b string) (int, bool) {
	if len(a) > maxDecimal || len(b) > maxDecimal {
		return 0, false
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	if !okX || !okY {
		return 0, false
	}
	return x.Cmp(y), true
}

// quantityNotAbove is low <= high of two Quantities: unknown where one has no value or the units differ.
func quantityNotAbove(low, high string) predicate {
	from, to := parse(low), parse(high)
	return func(_ Env, e element.Element) answer {
		a, b := from.first(e), to.first(e)
		compared, ok := compareDecimals(a.Get("value").Text(), b.Get("value").Text())
		if !ok || !sameUnit(a, b) {
			return unknown
		}
		return of(compared <= 0)
	}
}

func sameUnit(a, b element.Element) bool {
	for _, name := range []string{"system", "code"} {
		if a.Get(name).Text() != b.Get(name).Text() {
			return false
		}
	}
	return a.Has("code") || a.Get("unit").Text() == b.Get("unit").Text()
}
