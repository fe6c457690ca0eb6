package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// addString takes what a string begins with, whatever its case and accents; with the modifiers, what it contains or is
// exactly (FHIR R4 search.html#string).
func (c *Criterion) addString(resourceType, value string) error {
	text, ok := unescape(value)
	if !ok || normal(text) == "" {
		return c.malformed()
	}
	switch c.modifier {
	case "contains":
		c.Use = Unindexed
	default:
		c.Keys = append(c.Keys, prefixKeys(resourceType, c.param.Name, normal(text)))
	}
	if c.modifier != "exact" {
		text = normal(text)
	}
	c.alternatives = append(c.alternatives, alternative{text: text})
	return nil
}

func (c Criterion) hasString(text string) bool {
	return c.anyOf(func(a alternative) bool {
		switch c.modifier {
		case "exact":
			return text == a.text
		case "contains":
			return strings.Contains(normal(text), a.text)
		default:
			return strings.HasPrefix(normal(text), a.text)
		}
	})
}

// parts are the elements of a HumanName and of an Address that a search for the whole looks at (FHIR R4 patient.html#search,
// organization.html#search).
var parts = []string{"family", "given", "prefix", "suffix", "text", "line", "city", "district", "state", "country", "postalCode"}

// texts returns the strings of an element: itself, or the parts of a name or an address.
func texts(v *fhir.Value) []string {
	if v.Kind() != fhir.Object {
		if v.Text() == "" {
			return nil
		}
		return []string{v.Text()}
	}
	var found []string
	for _, name := range parts {
		for _, part := range children(v, name) {
			if part.Text() != "" {
				found = append(found, part.Text())
			}
		}
	}
	return found
}

// normal returns a text without its case, its accents and white space beyond one space.
func normal(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFD.String(text))
	}
	text = strings.ToLower(text)
	if strings.ContainsFunc(text, unicode.IsSpace) {
		text = strings.Join(strings.Fields(text), " ")
	}
	return text
}

// prefixKeys is where the index has the strings that begin with a normal text, and others.
func prefixKeys(resourceType, param, text string) KeyRange {
	low := orderedKey.under(resourceType, param, letters(text))
	open := max(0, keyLetters-len([]rune(text))) * letterBits
	return KeyRange{low, low | (1<<open - 1)}
}

// The first letters of a string stand in its key, in so many bits each: what begins alike is one range.
const (
	keyLetters = 8
	letterBits = orderedBits / keyLetters
)

// letters returns the number of a normal text. No letter is 0, which stands for the end.
func letters(text string) uint64 {
	var n uint64
	runes := []rune(text)
	for i := range keyLetters {
		n <<= letterBits
		if i < len(runes) {
			n |= 1 + uint64(runes[i])%(1<<letterBits-1)
		}
	}
	return n
}

// stringKeys are the keys of an element's strings.
func stringKeys(resourceType, param string, v *fhir.Value) []int64 {
	var keys []int64
	for _, text := range texts(v) {
		if text = normal(text); text != "" {
			keys = append(keys, orderedKey.under(resourceType, param, letters(text)))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
