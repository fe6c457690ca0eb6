package profile

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// value holds an element against a fixed value, a pattern and a length. An element that only says why it has no
// value is left alone.
func (s *Session) value(r *Rules, e element.Element) {
	if e.Value.Kind() == fhir.Null {
		return
	}
	if s.spent(size(e.Value)) {
		return
	}
	if r.fixed != nil && !equal(r.fixed, e.Value) {
		s.report(issue{fhir.SeverityError, fhir.CodeValue, RuleFixed, r.source}, r.name()+" must be exactly what "+r.of+" fixes"+shown(r.fixed))
	}
	if r.pattern != nil && !contains(r.pattern, e.Value) {
		s.report(issue{fhir.SeverityError, fhir.CodeValue, RulePattern, r.source}, r.name()+" must have what "+r.of+" asks for"+shown(r.pattern))
	}
	if r.MaxLength > 0 && utf8.RuneCountInString(e.Text()) > r.MaxLength {
		s.report(issue{fhir.SeverityError, fhir.CodeTooLong, RuleMaxLength, r.source},
			r.name()+" must have at most "+strconv.Itoa(r.MaxLength)+" characters in "+r.of)
	}
}

// size is the work that it takes to compare v with a value of a table, which is small.
func size(v *fhir.Value) int { return 1 + len(v.Items()) }

// shown is a value of a profile for a sentence, where it is short: a text or a code.
func shown(v *fhir.Value) string {
	code := v
	switch {
	case v.Get("coding") != nil:
		code = v.At("coding", "code")
	case v.Get("code") != nil:
		code = v.Get("code")
	}
	if text := code.Text(); text != "" {
		return ": " + text
	}
	return ""
}

// equal tells whether got is exactly want (ElementDefinition.fixed[x]): the same members, the same elements in the
// same order, the same texts. Numbers are compared by what they mean. What an element or primitive carries in
// extensions beside a primitive is no part of a table's value.
func equal(want, got *fhir.Value) bool {
	if want.Kind() != got.Kind() || len(want.Items()) != len(got.Items()) {
		return false
	}
	items := want.Items()
	switch want.Kind() {
	case fhir.Object:
		for i := range items {
			if other := got.Get(items[i].Name()); other == nil || !equal(&items[i], other) {
				return false
			}
		}
		return true
	case fhir.Array:
		others := got.Items()
		for i := range items {
			if !equal(&items[i], &others[i]) {
				return false
			}
		}
		return true
	default:
		return samePrimitive(want, got)
	}
}

// contains tells whether got has at least what want has (ElementDefinition.pattern[x]): an array must have an
// element for each of the pattern's, in any order.
func contains(want, got *fhir.Value) bool {
	if want.Kind() != got.Kind() {
		return false
	}
	items := want.Items()
	switch want.Kind() {
	case fhir.Object:
		for i := range items {
			if other := got.Get(items[i].Name()); other == nil || !contains(&items[i], other) {
				return false
			}
		}
		return true
	case fhir.Array:
		for i := range items {
			if !someContains(&items[i], got.Items()) {
				return false
			}
		}
		return true
	default:
		return samePrimitive(want, got)
	}
}

func someContains(want *fhir.Value, among []fhir.Value) bool {
	for i := range among {
		if contains(want, &among[i]) {
			return true
		}
	}
	return false
}

func samePrimitive(want, got *fhir.Value) bool {
	return want.Text() == got.Text() || want.Kind() == fhir.Number && normal(want.Text()) == normal(got.Text())
}

// normal returns a form of a JSON number that is the same for all that mean the same: 0.5e1 and 5.0 are 5e0. An
// exponent out of range leaves the number as it is.
func normal(number string) string {
	mantissa, exponentText, _ := strings.Cut(strings.ToLower(number), "e")
	exponent := 0
	if exponentText != "" {
		var err error
		if exponent, err = strconv.Atoi(exponentText); err != nil {
			return number
		}
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return "0"
	}
	if negative {
		trimmed = "-" + trimmed
	}
	return trimmed + "e" + strconv.Itoa(exponent)
}

// binding holds the codes of an element against a value set.
func (s *Session) binding(r *Rules, e element.Element) {
	switch s.member(r.Binding.ValueSet, e) {
	case terminology.Unknown:
		if s.once(r.Binding.ValueSet) {
			s.report(issue{fhir.SeverityInformation, fhir.CodeInformational, RuleBinding, r.source},
				"Not checked here: the codes of "+setName(r.Binding.ValueSet)+" are not known to this server")
		}
	case terminology.Out:
		s.outside(r, e)
	case terminology.In:
	}
}

// outside reports an element without a code of its value set.
func (s *Session) outside(r *Rules, e element.Element) {
	hasCode := e.HasValue() || e.Has("coding") || e.Has("code")
	if r.Binding.Strength != "required" {
		// The types of FHIR itself know nothing of the code systems of a country: there it is worth one word.
		severity := fhir.SeverityWarning
		if r.isType {
			severity = fhir.SeverityInformation
		}
		if hasCode && (!r.isType || s.once(r.Binding.ValueSet)) {
			s.report(issue{severity, fhir.CodeCodeInvalid, RuleBinding, r.source},
				r.name()+" should have a code of "+setName(r.Binding.ValueSet)+", if one fits")
		}
		return
	}
	details := r.name() + " must have a code of " + setName(r.Binding.ValueSet) + " in " + r.of
	if codes := s.checker.sets.Codes(r.Binding.ValueSet, 12); codes != nil {
		details += ": " + alternatives(codes)
	}
	s.report(issue{fhir.SeverityError, fhir.CodeCodeInvalid, RuleBinding, r.source}, details)
}

// codable tells whether a binding is about an element: of a choice, about codes and what has them, and about a text
// where the profile allows nothing else (FHIR R4 terminologies.html#binding).
func codable(typ string, types []string) bool {
	switch typ {
	case "", "Code", "Coding", "CodeableConcept", "Quantity", "Age", "Count", "Distance", "Duration", "Money":
		return true
	case "String", "Uri":
		return len(types) == 1
	default:
		return false
	}
}

// member tells whether one of an element's codes is in a value set: a primitive is a code itself, a CodeableConcept
// has codings, and a Coding or Quantity a system and a code. A concept that says by an extension why it has no code
// is in any.
func (s *Session) member(valueSet string, e element.Element) terminology.Verdict {
	sets := s.checker.sets
	switch {
	case e.HasValue():
		return sets.Contains(valueSet, "", e.Text())
	case e.Value.Kind() != fhir.Object || e.Extension(dataAbsentReason).Exists():
		return terminology.In
	case e.Has("coding"):
		best := terminology.Out
		for _, coding := range e.All("coding") {
			switch sets.Contains(valueSet, coding.Get("system").Text(), coding.Get("code").Text()) {
			case terminology.In:
				return terminology.In
			case terminology.Unknown:
				best = terminology.Unknown
			case terminology.Out:
			}
		}
		return best
	case e.Has("code"):
		return sets.Contains(valueSet, e.Get("system").Text(), e.Get("code").Text())
	case e.Has("value") || e.Has("unit"):
		return terminology.In // a Quantity without a code
	default:
		if sets.Contains(valueSet, "", "") == terminology.Unknown {
			return terminology.Unknown
		}
		return terminology.Out
	}
}

// dataAbsentReason is the extension that says why a value is missing (FHIR R4 extension-data-absent-reason.html).
const dataAbsentReason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

// setName is the name of a value set for people: the last part of its URL.
func setName(url string) string {
	return "the value set " + url[strings.LastIndexByte(url, '/')+1:]
}
