package schemas

import "strings"

// base64Rule makes of base64 that cannot be decoded a rule that is broken, 422, and no document that cannot be read: a file
// was damaged, and the rest is as it should be (RELIABILITY C33).
const base64Rule = "base64"

// checkText says what is wrong with a primitive of the type called name that its pattern cannot tell, completing
// the sentence "birthDate …"; "" when nothing is.
func checkText(name, text string) string {
	switch name {
	case "date", "dateTime", "instant":
		return checkDate(text)
	case "integer", "positiveInt", "unsignedInt":
		// JSON Schema takes 1.0 and 1e2 for integers; FHIR does not (FHIR R4 datatypes.html#integer).
		if strings.ContainsAny(text, ".eE") {
			return "must be a whole number, without a decimal point or exponent"
		}
	case "base64Binary":
		return checkBase64(text)
	}
	return ""
}

// checkDate checks the day of a date whose digits are in their places.
func checkDate(text string) string {
	if len(text) < len("2024-02-29") {
		return ""
	}
	if strings.HasPrefix(text, "9999-12-31") {
		return "must be a real date: leave out an end that is open, instead of 9999-12-31"
	}
	year, month, day := digits(text[0:4]), digits(text[5:7]), digits(text[8:10])
	if day > daysIn(year, month) {
		return "must be a real date: the month does not have that day"
	}
	return ""
}

// isPlainDate tells a real day, and a date and time on one in whole seconds, which of the type called name nothing is
// wrong with. Of others it does not know.
func isPlainDate(name, text string) bool {
	switch {
	case len(text) == len("2024-02-29"):
		if name == "instant" || !shaped(text, "0000-00-00") {
			return false
		}
	case name == "date":
		return false
	case shaped(text, "0000-00-00T00:00:00+00:00"):
		if digits(text[20:22]) > 13 || digits(text[23:25]) > 59 {
			return false
		}
	case !shaped(text, "0000-00-00T00:00:00Z"):
		return false
	}
	if len(text) > len("2024-02-29") && (digits(text[11:13]) > 23 || digits(text[14:16]) > 59 || digits(text[17:19]) > 59) {
		return false
	}
	year, month, day := digits(text[0:4]), digits(text[5:7]), digits(text[8:10])
	return year > 0 && month > 0 && month <= 12 && day > 0 && checkDate(text) == ""
}

// shaped tells whether text is like an example, in which 0 stands for any digit and + for a sign.
func shaped(text, example string) bool {
	if len(text) != len(example) {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; example[i] {
		case '0':
			if c < '0' || c > '9' {
				return false
			}
		case '+':
			if c != '+' && c != '-' {
				return false
			}
		case c:
		default:
			return false
		}
	}
	return true
}

func digits(text string) int {
	n := 0
	for i := range len(text) {
		n = 10*n + int(text[i]-'0')
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// checkBase64 reads text once: an attachment has megabytes, for which a regular expression takes too long. White
// space may stand anywhere (FHIR R4 datatypes.html#base64Binary).
func checkBase64(text string) string {
	length, padding := 0, 0
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/':
			if padding > 0 {
				return "must be base64: = stands only at the end"
			}
		case c == '=':
			padding++
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		default:
			return "must be base64: A-Z, a-z, 0-9, + and /, with = at the end"
		}
		length++
	}
	if padding > 2 || length%4 != 0 {
		return "must be base64: its length is a multiple of four, filled up with ="
	}
	return ""
}
