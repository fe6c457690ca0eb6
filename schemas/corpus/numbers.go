package main

import "strings"

// number is a number of one of Australia's systems: a good one, made up here with right check digits, and what is
// like it and wrong.
type number struct {
	good string
	// wrong are values that break a rule, by the key of an invariant of AU Base. A key of no invariant stands for what
	// only the owner of the number system publishes: such a number is at most worth a warning.
	wrong map[string]string
}

// outsideGuide begins the keys of what no guide states.
const outsideGuide = "outside-"

// hiNumber is a number of the Healthcare Identifiers Service: 16 digits with a Luhn check digit. other has another
// prefix and a right check digit, of which only a prefix is known to be wrong.
func hiNumber(key, good, other string) number {
	wrongDigit := good[:15] + "0"
	if good[15] == '0' {
		wrongDigit = good[:15] + "1"
	}
	return number{good, map[string]string{key + "-0": good[:15], key + "-1": other, key + "-2": wrongDigit}}
}

// numbers are those of the identifiers that have a profile, by the last part of its URL.
func numbers(profileURL string) number {
	switch profileURL[strings.LastIndexByte(profileURL, '/')+1:] {
	case "au-ihi":
		return hiNumber("inv-ihi-value", "8003600001002010", "8003610001002019")
	case "au-hpii":
		return hiNumber("inv-hpii", "8003610001002019", "8003600001002010")
	case "au-hpio":
		return hiNumber("inv-hpio", "8003620001002018", "8003600001002010")
	case "au-cspregistrationnumber":
		return hiNumber("inv-csp", "8003630001002017", "8003600001002010")
	case "au-paioidentifier":
		return hiNumber("inv-paio", "8003640001002016", "8003600001002010")
	case "au-paididentifier":
		return hiNumber("inv-paid", "8003640003004051", "8003600001002010")
	case "au-careagencyemployeeidentifier":
		return hiNumber("inv-caei", "9003600001002018", "8003600001002010")
	case "au-nationalprovideridentifieratorganisation":
		return number{"8003610001002019@8003620001002018", map[string]string{
			"inv-npio-0": "8003610001002019@800362000100201", "inv-npio-1": "8003600001002010@8003620001002018",
			outsideGuide + "npio": "8003610001002018@8003620001002018"}}
	case "au-ahpraregistrationnumber":
		return number{"MED0001002003", map[string]string{"inv-ahpra-0": "MED001002003"}}
	case "au-australianbusinessnumber":
		return number{"76200300401", map[string]string{"inv-abn-0": "7620030040", outsideGuide + "abn": "76200300402"}}
	case "au-australiancompanynumber":
		return number{"200300401", map[string]string{"inv-acn-0": "20030040", outsideGuide + "acn": "200300402"}}
	case "au-australianregistredbodynumber":
		return number{"200300401", map[string]string{"inv-arbn-0": "20030040", outsideGuide + "arbn": "200300402"}}
	case "au-deliverypointidentifier":
		return number{"12345678", map[string]string{"inv-dpid-0": "1234567"}}
	case "au-medicarecardnumber":
		return number{"20010203411", map[string]string{outsideGuide + "check-digit": "20010203511",
			outsideGuide + "form": "2001020341A", outsideGuide + "first-digit": "10010203311", outsideGuide + "irn": "20010203410"}}
	case "au-medicareprovidernumber":
		return number{"2001071X", map[string]string{outsideGuide + "check-letter": "2001071W", outsideGuide + "form": "200107-X"}}
	case "au-pbsprescribernumber":
		return number{"100200", map[string]string{outsideGuide + "form": "1002"}}
	case "au-dvanumber":
		return number{"NX100200", map[string]string{outsideGuide + "form": "XX123456", outsideGuide + "state": "12345678"}}
	case "au-healthcarecardnumber", "au-pensionerconcessioncardnumber", "au-cwlthseniorshealthcardnumber":
		return number{"100200300A", map[string]string{outsideGuide + "form": "1002003001"}}
	}
	return number{good: "1"}
}
