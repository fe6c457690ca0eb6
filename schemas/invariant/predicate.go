package invariant

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func exists(at string) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer { return of(p.exists(e)) }
}

// absent is empty().
func absent(at string) predicate { return not(exists(at)) }

// hasValue tells whether an element has a value rather than extensions alone.
func hasValue(at string) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer { return of(p.first(e).HasValue()) }
}

// one is where(condition).exists(): some element at the path meets the condition.
func one(at string, condition predicate) predicate {
	p := parse(at)
	return func(env Env, e element.Element) answer {
		result := no
		p.each(e, func(e element.Element) bool {
			a := condition(env, e)
			if a == yes || a == unknown {
				result = a
			}
			return a != yes
		})
		return result
	}
}

// none is where(condition).empty().
func none(at string, condition predicate) predicate { return not(one(at, condition)) }

// all is all(condition), true where there is nothing at the path.
func all(at string, condition predicate) predicate {
	p := parse(at)
	return func(env Env, e element.Element) answer {
		result := yes
		p.each(e, func(e element.Element) bool {
			switch condition(env, e) {
			case yes:
			case unknown:
				result = unknown
			default:
				result = no
			}
			return result != no
		})
		return result
	}
}

// first holds a condition against the first element at the path; empty where there is none.
func first(at string, condition predicate) predicate {
	p := parse(at)
	return func(env Env, e element.Element) answer {
		if e := p.first(e); e.Exists() {
			return condition(env, e)
		}
		return empty
	}
}

// text holds a condition against the text of a primitive; empty where there is no element. What has extensions alone
// meets none.
func text(at string, condition func(string) bool) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer {
		e = p.first(e)
		if !e.Exists() {
			return empty
		}
		return of(e.HasValue() && condition(e.Text()))
	}
}

// is is = 'literal', or with several in ('literal' | …).
func is(at string, literals ...string) predicate {
	if len(literals) == 1 {
		return text(at, func(s string) bool { return s == literals[0] })
	}
	return text(at, func(s string) bool { return slices.Contains(literals, s) })
}

// isNot is != 'literal'.
func isNot(at, literal string) predicate { return not(is(at, literal)) }

// matches is matches(): as in FHIRPath, somewhere in the text unless the pattern says otherwise.
// What is too long for any of the patterns does not match, however long it is.
func matches(at, pattern string) predicate {
	compiled := regexp.MustCompile(pattern)
	return text(at, func(s string) bool { return len(s) <= maxMatched && compiled.MatchString(s) })
}

const maxMatched = 16 << 10

func startsWith(at, prefix string) predicate {
	return text(at, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

func contains(at, part string) predicate {
	return text(at, func(s string) bool { return strings.Contains(s, part) })
}

// longer is toString().length() >= least: false for what has extensions alone.
func longer(least int) predicate {
	return text("", func(s string) bool { return utf8.RuneCountInString(s) >= least })
}

// number holds a condition against how a number compares with limit (-1, 0, 1); empty where there is no value.
func number(at, limit string, condition func(compared int) bool) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer {
		compared, ok := compareDecimals(p.first(e).Text(), limit)
		if !ok {
			return empty
		}
		return of(condition(compared))
	}
}

func positive(compared int) bool    { return compared > 0 }
func notNegative(compared int) bool { return compared >= 0 }
func notPositive(compared int) bool { return compared <= 0 }

// counts holds a condition against the number of elements at all paths together: a.count() + b.count() ….
func counts(condition func(n int) bool, at ...string) predicate {
	paths := make([]path, len(at))
	for i := range at {
		paths[i] = parse(at[i])
	}
	return func(_ Env, e element.Element) answer {
		n := 0
		for _, p := range paths {
			n += p.count(e)
		}
		return of(condition(n))
	}
}

func atMostOne(n int) bool            { return n <= 1 }
func moreThanOne(n int) bool          { return n > 1 }
func exactly(want int) func(int) bool { return func(n int) bool { return n == want } }

// distinct is isDistinct() of the texts of the elements at the path.
func distinct(at string) predicate {
	p := parse(at)
	return func(_ Env, e element.Element) answer {
		var seen set
		return of(p.each(e, func(e element.Element) bool { return !e.HasValue() || seen.add(e.Text()) }))
	}
}

// set is a set of strings that costs nothing until it holds two.
type set struct {
	only string
	size int
	all  map[string]bool
}

// add puts s into the set and tells whether it was not in it.
func (t *set) add(s string) bool {
	t.size++
	switch t.size {
	case 1:
		t.only = s
		return true
	case 2:
		t.all = map[string]bool{t.only: true}
	}
	if t.all[s] {
		return false
	}
	t.all[s] = true
	return true
}

// coding is where(system = … and code = …), for the codings that the path leads to. An empty system is any.
func coding(at, system string, codes ...string) predicate {
	condition := is("code", codes...)
	if system != "" {
		condition = and(is("system", system), condition)
	}
	return one(at, condition)
}

// hasExtension is extension('url').exists().
func hasExtension(at, url string) predicate {
	if at == "" {
		at = "extension"
	} else {
		at += ".extension"
	}
	return one(at, is("url", url))
}

// memberOf is memberOf('url') of a code, a Coding or a CodeableConcept, of which one coding is enough; false for one
// without.
func memberOf(valueSet string) predicate {
	return func(env Env, e element.Element) answer {
		if env.ValueSets == nil {
			return unknown
		}
		if e.Value.Kind() == fhir.String {
			return member(env, valueSet, "", e.Text())
		}
		if !e.Has("coding") {
			return memberCoding(env, valueSet, e)
		}
		result := no
		for _, coding := range e.All("coding") {
			switch memberCoding(env, valueSet, coding) {
			case yes:
				return yes
			case unknown:
				result = unknown
			default:
			}
		}
		return result
	}
}

func memberCoding(env Env, valueSet string, coding element.Element) answer {
	return member(env, valueSet, coding.Get("system").Text(), coding.Get("code").Text())
}

func member(env Env, valueSet, system, code string) answer {
	if code == "" {
		return no
	}
	switch env.ValueSets.Contains(valueSet, system, code) {
	case terminology.In:
		return yes
	case terminology.Out:
		return no
	default:
		return unknown
	}
}

// resolved is resolve(): it holds a condition against the resource that a Reference leads to. What is not in the
// document is unknown.
func resolved(condition predicate) predicate {
	return func(env Env, e element.Element) answer {
		resource, scope := env.Resolve(e.Get("reference").Text())
		if resource == nil {
			return unknown
		}
		env.Scope = scope
		return condition(env, element.Of(resource))
	}
}

// resourceIs is is(Type) of a resource.
func resourceIs(resourceType string) predicate { return is("resourceType", resourceType) }
