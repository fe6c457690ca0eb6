package search

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// addToken takes code, system|code, |code or system| (FHIR R4 search.html#token). name is what the index has it under.
func (c *Criterion) addToken(resourceType, name, value string) error {
	parts := split(value, '|')
	code, ok := unescape(parts[len(parts)-1])
	system, systemOK := unescape(parts[0])
	if !ok || !systemOK || len(parts) > 2 || value == "|" {
		return c.malformed()
	}
	a := alternative{system: system, code: code}
	if len(parts) == 1 {
		a.system, a.anySystem = "", true
	}
	c.alternatives = append(c.alternatives, a)
	switch {
	case code == "":
		c.Use = Unindexed // the index has no systems alone
	case !a.anySystem || c.param.System != "":
		if a.anySystem {
			system = c.param.System
		}
		h := TokenHash(resourceType, name, system, code)
		c.Keys = append(c.Keys, KeyRange{h, h})
	case c.Use == Checked:
		c.Use = Unindexed // a range that many share takes longer to check than the content
	default:
		h := TokenHash(resourceType, name, "", code)
		c.Keys = append(c.Keys, KeyRange{h &^ lowMask, h | lowMask})
	}
	return nil
}

func (c Criterion) hasToken(found []token) bool {
	return slices.ContainsFunc(found, func(t token) bool {
		return c.anyOf(func(a alternative) bool {
			return (a.code == "" || t.code == a.code) && (a.anySystem || t.system == a.system)
		})
	})
}

// token is a code in its system, which may be empty.
type token struct{ system, code string }

// tokens returns what an Identifier, a CodeableConcept, a Coding or a code is found by (FHIR R4 search.html#token).
// system is that of a code, which names none itself.
func tokens(v *fhir.Value, system string) []token {
	if v.Kind() != fhir.Object {
		if v.Text() == "" {
			return nil
		}
		return []token{{system, v.Text()}}
	}
	var found []token
	for _, c := range append(children(v, "coding"), v) {
		code := c.Get("code")
		if code == nil {
			code = c.Get("value")
		}
		if code != nil {
			found = append(found, token{c.Get("system").Text(), code.Text()})
		}
	}
	return found
}

// addText is for the modifier text: what stands beside a code for people begins with it, whatever its case.
func (c *Criterion) addText(value string) error {
	text, ok := unescape(value)
	if !ok {
		return c.malformed()
	}
	c.Use = Unindexed
	c.alternatives = append(c.alternatives, alternative{text: normal(text)})
	return nil
}

// hasText tells whether the text of a CodeableConcept, the display of a Coding or the text of an Identifier's type begins
// with text (FHIR R4 search.html#modifiers).
func hasText(v *fhir.Value, text string) bool {
	shown := []string{v.Get("text").Text(), v.Get("display").Text(), v.At("type", "text").Text()}
	for _, c := range children(v, "coding") {
		shown = append(shown, c.Get("display").Text())
	}
	return slices.ContainsFunc(shown, func(s string) bool { return s != "" && strings.HasPrefix(normal(s), text) })
}
