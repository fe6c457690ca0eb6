package fhirhttp

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Preferences are those of a request that FHIR knows (RFC 7240; FHIR R4 http.html#ops, #async, search.html#errors).
// The zero value prefers nothing.
type Preferences struct {
	Wait     time.Duration // for an answer; negative: not stated
	Async    bool          // respond-async
	Return   string        // minimal, representation, OperationOutcome or empty
	Handling string        // strict, lenient or empty
}

// Prefer reads the header Prefer. What is unknown or malformed is no preference; of one that is stated twice the first
// counts (RFC 7240 §2).
func Prefer(r *http.Request) Preferences {
	p := Preferences{Wait: -1}
	seen := map[string]bool{}
	for _, line := range r.Header.Values("Prefer") {
		for _, preference := range splitQuoted(line, ',') {
			name, value, _ := strings.Cut(splitQuoted(preference, ';')[0], "=")
			name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
			if seen[name] {
				continue
			}
			seen[name] = true
			switch name {
			case "wait":
				if n, err := strconv.ParseUint(value, 10, 31); err == nil {
					p.Wait = time.Duration(n) * time.Second
				}
			case "respond-async":
				p.Async = true
			case "return":
				p.Return = oneOf(value, "minimal", "representation", "OperationOutcome")
			case "handling":
				p.Handling = oneOf(value, "strict", "lenient")
			}
		}
	}
	return p
}

// oneOf returns the one of values that value is in whatever case, or "".
func oneOf(value string, values ...string) string {
	for _, v := range values {
		if strings.EqualFold(v, value) {
			return v
		}
	}
	return ""
}

// splitQuoted cuts s at each separator outside of quotes (RFC 9110 §5.6.4).
func splitQuoted(s string, separator byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}
