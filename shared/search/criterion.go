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
	// Keys is where the index has every resource that fits, and by chance others; none of a criterion with another Use
	// than Unindexed: nothing fits.
	Keys []KeyRange
	Use  Use // what the index knows of it: of a modifier or value, it may know less than of the parameter

	param        Param
	modifier     string
	missing      bool // for the modifier missing
	alternatives []alternative
}

// alternative is one of the values between commas.
type alternative struct {
	system, code string // Token; code is empty: any of the system
	anySystem    bool
	target       string     // Reference, as it is stored
	text         string     // String, in the form of normal but for exact; URI; and Token with the modifier text
	comparator   comparator // Date
	interval     interval   // Date
}

// maxAlternatives bounds what one parameter may ask of the index.
const maxAlternatives = 100

// ParseCriterion returns the criterion of p in resourceType with value, as it stands in a URL after percent-decoding
// (FHIR R4 search.html#ptypes, #modifiers and #escaping). modifier is what stands behind the name and a colon, or empty.
// A reference may be a URL, which below base, such as https://example.org/fhir/, means Type/id as well; base may be
// empty. The error is a *fhir.Error with code value, not-supported or too-costly.
func ParseCriterion(resourceType string, p Param, modifier, value, base string) (Criterion, error) {
	c := Criterion{param: p, modifier: modifier, Use: p.Use}
	if modifier == "missing" {
		c.Use, c.missing = Unindexed, value == "true"
		if value != "true" && value != "false" {
			return c, fhir.NewError(fhir.CodeValue, "", "The value of "+p.Name+":missing is true or false")
		}
		return c, nil
	}
	if !slices.Contains(p.Modifiers(), modifier) && modifier != "" {
		return c, fhir.NewError(fhir.CodeNotSupported, "", "The search parameter "+p.Name+" takes no such modifier; its modifiers are "+strings.Join(p.Modifiers(), ", ")).
			WithStatus(http.StatusBadRequest)
	}
	values := split(value, ',')
	if len(values) > maxAlternatives {
		return c, fhir.NewError(fhir.CodeTooCostly, "", "The search parameter "+p.Name+" has too many alternatives")
	}
	for _, v := range values {
		var err error
		switch {
		case v == "":
			err = c.malformed()
		case modifier == "text":
			err = c.addText(v)
		case modifier == "identifier":
			err = c.addToken(resourceType, p.Name+":identifier", v)
		case p.Type == Token:
			err = c.addToken(resourceType, p.Name, v)
		case p.Type == Reference:
			err = c.addReference(resourceType, v, base)
		case p.Type == String:
			err = c.addString(resourceType, v)
		case p.Type == Date:
			err = c.addDate(resourceType, v)
		case p.Type == URI:
			err = c.addURI(v)
		}
		if err != nil {
			return Criterion{}, err
		}
	}
	if modifier == "not" {
		c.Use = Unindexed
	}
	if c.Use == Unindexed {
		c.Keys = nil
	}
	return c, nil
}

// Modifiers are those that a parameter takes (FHIR R4 search.html#modifiers); of a reference also the types it leads to.
func (p Param) Modifiers() []string {
	switch p.Type {
	case Token:
		return []string{"missing", "not", "text"}
	case String:
		return []string{"contains", "exact", "missing"}
	case Reference:
		types := p.Target
		if len(types) == 0 {
			types = Types()
		}
		return append([]string{"identifier", "missing"}, types...)
	default:
		return []string{"missing"}
	}
}

// addURI takes a URI as it is written (FHIR R4 search.html#uri).
func (c *Criterion) addURI(value string) error {
	text, ok := unescape(value)
	if !ok {
		return c.malformed()
	}
	c.alternatives = append(c.alternatives, alternative{text: text})
	return nil
}

func (c *Criterion) malformed() error {
	form := ""
	if c.param.Type == Date {
		form = "; it is a date such as 2026-11 or ge2026-11-23"
	}
	return fhir.NewError(fhir.CodeValue, "", "The value of the search parameter "+c.param.Name+" is empty or malformed"+form)
}

// Leads tells whether a search may start from the index rows of c.
func (c Criterion) Leads() bool { return c.Use == Leading }

// FindsNothing tells that no resource can fit, such as one whose patient is a Group.
func (c Criterion) FindsNothing() bool { return c.Use != Unindexed && len(c.Keys) == 0 }

// exact tells that each of the keys is one: to check a resource for it takes one look each.
func (c Criterion) exact() bool {
	return c.Use != Unindexed && !slices.ContainsFunc(c.Keys, func(k KeyRange) bool { return k.Low != k.High })
}

// Match tells whether resource, which the index led to, fits indeed: two values may have the same key.
func (c Criterion) Match(resource *fhir.Value) bool {
	values := elements(resource, c.param.Path)
	if c.modifier == "missing" {
		return c.missing != slices.ContainsFunc(values, isPresent)
	}
	if c.modifier == "not" {
		return !slices.ContainsFunc(values, c.fits)
	}
	return slices.ContainsFunc(values, c.fits)
}

// isPresent tells that an element has a value, and not extensions alone that say why it has none.
func isPresent(v *fhir.Value) bool {
	if v.Kind() != fhir.Object {
		return v.Text() != ""
	}
	items := v.Items()
	return slices.ContainsFunc(items, func(member fhir.Value) bool { return member.Name() != "extension" && member.Name() != "id" })
}

// fits tells whether an element has one of the alternatives.
func (c Criterion) fits(v *fhir.Value) bool {
	switch {
	case c.modifier == "text":
		return c.anyOf(func(a alternative) bool { return hasText(v, a.text) })
	case c.modifier == "identifier":
		return c.hasToken(tokens(v.Get("identifier"), ""))
	case c.param.Type == Token:
		return c.hasToken(tokens(v, c.param.System))
	case c.param.Type == Reference:
		to := reference(v)
		return c.anyOf(func(a alternative) bool { return to == a.target })
	case c.param.Type == String:
		return slices.ContainsFunc(texts(v), c.hasString)
	case c.param.Type == Date:
		return slices.ContainsFunc(intervals(v), func(i interval) bool {
			return c.anyOf(func(a alternative) bool { return a.comparator.holds(i, a.interval) })
		})
	default:
		return c.anyOf(func(a alternative) bool { return v.Text() == a.text })
	}
}

func (c Criterion) anyOf(holds func(alternative) bool) bool {
	return slices.ContainsFunc(c.alternatives, holds)
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
