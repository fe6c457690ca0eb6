package search

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// KeyRange is a closed range of index keys; Low is High where one key is meant.
type KeyRange struct{ Low, High int64 }

// Criterion is a search parameter with its value: alternatives of which a resource must fit one.
type Criterion struct {
	// Keys is where the index has every resource that fits, and by chance others; none: nothing fits.
	Keys []KeyRange

	param        Param
	alternatives []alternative
}

// alternative is one of the values between commas.
type alternative struct {
	system    string
	anySystem bool
	code      string // Token
	target    string // Reference, as it is stored
}

// maxAlternatives bounds what one parameter may ask of the index.
const maxAlternatives = 100

// ParseCriterion returns the criterion of p in resourceType with value, as it stands in a URL after percent-decoding
// (FHIR R4 search.html#token, #reference and #escaping). A token is code, system|code or |code; a reference is id,
// Type/id or a URL, which below base, such as https://example.org/fhir/, means Type/id as well; base may be empty. The
// error is a *fhir.Error with code value, not-supported or too-costly.
func ParseCriterion(resourceType string, p Param, value, base string) (Criterion, error) {
	values := split(value, ',')
	if len(values) > maxAlternatives {
		return Criterion{}, fhir.NewError(fhir.CodeTooCostly, "", "The search parameter "+p.Name+" has too many alternatives")
	}
	c := Criterion{param: p}
	for _, v := range values {
		var err error
		switch p.Type {
		case Token:
			err = c.addToken(resourceType, v)
		case Reference:
			err = c.addReference(resourceType, v, base)
		}
		if err != nil {
			return Criterion{}, err
		}
	}
	return c, nil
}

func (c *Criterion) addToken(resourceType, value string) error {
	parts := split(value, '|')
	code, ok := unescape(parts[len(parts)-1])
	system, systemOK := unescape(parts[0])
	switch {
	case !ok || !systemOK || len(parts) > 2 || value == "" || value == "|":
		return c.malformed()
	case code == "":
		return fhir.NewError(fhir.CodeNotSupported, "", "The search parameter "+c.param.Name+" needs a code: a system alone is not searched for").
			WithStatus(http.StatusBadRequest)
	case len(parts) == 2:
		h := TokenHash(resourceType, c.param.Name, system, code)
		c.Keys = append(c.Keys, KeyRange{h, h})
		c.alternatives = append(c.alternatives, alternative{system: system, code: code})
	default:
		h := TokenHash(resourceType, c.param.Name, "", code)
		c.Keys = append(c.Keys, KeyRange{h &^ lowMask, h | lowMask})
		c.alternatives = append(c.alternatives, alternative{anySystem: true, code: code})
	}
	return nil
}

func (c *Criterion) addReference(resourceType, value, base string) error {
	target, ok := unescape(value)
	if !ok || target == "" {
		return c.malformed()
	}
	targets := []string{target}
	if local, ok := strings.CutPrefix(target, base); ok && base != "" {
		targets = append(targets, local)
	}
	if !strings.Contains(target, "/") {
		types := c.param.Target
		if len(types) == 0 {
			types = Types()
		}
		targets = targets[:0]
		for _, t := range types {
			targets = append(targets, t+"/"+target)
		}
	}
	for _, t := range targets {
		if c.param.leadsTo(t) { // of another type nothing is found
			h := ReferenceHash(resourceType, c.param.Name, t)
			c.Keys = append(c.Keys, KeyRange{h, h})
			c.alternatives = append(c.alternatives, alternative{target: t})
		}
	}
	return nil
}

func (c *Criterion) malformed() error {
	return fhir.NewError(fhir.CodeValue, "", "The value of the search parameter "+c.param.Name+" is empty or malformed")
}

// Leads tells whether a search may start from the index rows of c: those of a parameter with few values are too many,
// and most of them another organisation's.
func (c Criterion) Leads() bool { return !c.param.Few }

// Match tells whether resource, which the index led to, fits indeed: two values may have the same key.
func (c Criterion) Match(resource *fhir.Value) bool {
	for _, v := range elements(resource, c.param.Path) {
		if slices.ContainsFunc(c.alternatives, func(a alternative) bool {
			if c.param.Type == Reference {
				return v.Get("reference").Text() == a.target
			}
			return slices.ContainsFunc(tokens(v), func(t token) bool {
				return t.code == a.code && (a.anySystem || t.system == a.system)
			})
		}) {
			return true
		}
	}
	return false
}

// split cuts s at each separator that no backslash precedes; escapes stay as they are.
func split(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unescape resolves \, \| \$ and \\; it returns false for any other backslash.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, `\`) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			if i == len(s) || !strings.ContainsRune(`,|$\`, rune(s[i])) {
				return "", false
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}
