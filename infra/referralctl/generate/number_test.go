package generate

import (
	"encoding/json"
	"strings"
	"testing"
)

// The check digits are told by rules written anew, and these by numbers that Australian agencies have published.

func luhnSum(number string) (sum int) {
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum
}

func medicareIsRight(number string) bool {
	if len(number) != 11 || strings.Trim(number, "0123456789") != "" || number[0] < '2' || number[0] > '6' {
		return false
	}
	at := func(i int) int { return int(number[i] - '0') }
	return (at(0)+3*at(1)+7*at(2)+9*at(3)+at(4)+3*at(5)+7*at(6)+9*at(7))%10 == at(8)
}

func providerIsRight(number string) bool {
	if len(number) != 8 || strings.Trim(number[:6], "0123456789") != "" {
		return false
	}
	at := func(i int) int { return int(number[i] - '0') }
	location := strings.IndexByte("0123456789ABCDEFGHJKLMNPQRTUVWXY", number[6])
	if location < 0 {
		return false
	}
	return "YXWTLKJHFBA"[(3*at(0)+5*at(1)+8*at(2)+4*at(3)+2*at(4)+at(5)+6*location)%11] == number[7]
}

func TestRulesOfCheckDigits(t *testing.T) {
	for _, number := range []string{"8003608833357361", "8003608333647287", "8003619900015717", "8003621566684455"} {
		if luhnSum(number)%10 != 0 || !validHI(number, number[:6]) {
			t.Errorf("%s is right", number)
		}
		if wrong := number[:15] + string((number[15]-'0'+1)%10+'0'); validHI(wrong, number[:6]) {
			t.Errorf("%s is wrong", wrong)
		}
	}
	for number, want := range map[string]bool{"32788511952": true, "69518252411": true, "39513341311": true, "32788511052": false} {
		if medicareIsRight(number) != want {
			t.Errorf("Medicare number %s: want %v", number, want)
		}
	}
	for number, want := range map[string]bool{"2426621B": true, "2449991J": true, "2448721W": true, "2426621C": false, "1234561A": false} {
		if providerIsRight(number) != want {
			t.Errorf("provider number %s: want %v", number, want)
		}
	}
}

// TestNumbersOfBundles looks at every identifier of 300 referrals.
func TestNumbersOfBundles(t *testing.T) {
	seen := map[string]int{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			system, _ := v["system"].(string)
			number, _ := v["value"].(string)
			hi := map[string]string{systemIHI: "800360", systemHPII: "800361", systemHPIO: "800362"}
			right := true
			switch {
			case hi[system] != "":
				right = len(number) == 16 && strings.HasPrefix(number, hi[system]) && luhnSum(number)%10 == 0
			case system == systemMedicare:
				right = medicareIsRight(number)
			case system == systemProvider:
				right = providerIsRight(number)
			case system == systemDVA:
				right = len(number) == 8 && strings.ContainsAny(number[:1], "NVQWST")
			}
			if seen[system]++; !right {
				t.Errorf("%s of %s is wrong", number, system)
			}
			for _, item := range v {
				walk(item)
			}
		}
	}
	g := New(11)
	for range 300 {
		var b any
		if err := json.Unmarshal(g.Bundle(Options{Entries: 12}), &b); err != nil {
			t.Fatal(err)
		}
		walk(b)
	}
	for _, system := range []string{systemIHI, systemHPII, systemHPIO, systemMedicare, systemProvider, systemDVA} {
		if seen[system] == 0 {
			t.Errorf("no identifier of %s", system)
		}
	}
}
