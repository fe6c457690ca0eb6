package profile

import (
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// verdict is whether an element is what a slice asks for, as far as the document and the value sets tell.
type verdict = terminology.Verdict

const (
	unknown = terminology.Unknown
	in      = terminology.In
	out     = terminology.Out
)

func is(condition bool) verdict {
	if condition {
		return in
	}
	return out
}

// both is in when a and b are.
func both(a, b verdict) verdict {
	switch {
	case a == out || b == out:
		return out
	case a == in && b == in:
		return in
	}
	return unknown
}

// either is in when a or b is.
func either(a, b verdict) verdict {
	switch {
	case a == in || b == in:
		return in
	case a == out && b == out:
		return out
	}
	return unknown
}

// test tells whether an element passes one discriminator of a slice.
type test func(s *Session, scope element.Scope, it item) verdict

func never(*Session, element.Scope, item) verdict { return out }

func existing(_ *Session, _ element.Scope, it item) verdict { return is(it.Exists()) }

// test readies the test that d makes for the slice e (FHIR R4 profiling.html#discriminator). It reads profiles that e
// refers to, since what is to be compared may stand in them.
func (l *Library) test(d Discriminator, e *Element) test {
	at, path := []*Element{e}, splitPath(d.Path)
	hops := make([]hop, len(path))
	resolved := false // the path ends in resolve(): what counts is what the Reference may lead to
	for i, text := range path {
		var next []*Element
		hops[i], next = l.follow(text, at)
		if resolved = hops[i].resolves && i == len(path)-1; !resolved {
			at = next
		}
		hops[i].typeTells = resolved && (d.Type == "type" || d.Type == "profile")
	}
	t := existing
	switch d.Type {
	case "type":
		t = l.typeTest(at, resolved)
	case "profile":
		t = l.profileTest(at, resolved)
	case "value", "pattern":
		t = l.valueTest(at)
	}
	for _, h := range slices.Backward(hops) {
		t = h.then(t)
	}
	forbidden := func(e *Element) bool { return e.Max != nil && *e.Max == 0 }
	if d.Type == "exists" && slices.ContainsFunc(at, forbidden) {
		return negated(t)
	}
	return t
}

func negated(t test) test {
	return func(s *Session, scope element.Scope, it item) verdict {
		switch t(s, scope, it) {
		case in:
			return out
		case out:
			return in
		default:
			return unknown
		}
	}
}

// valueTest holds an element against the values that the slice fixes; where it fixes none, against a value set that
// it requires, or asks only that the element is there. Of what the slice does not speak at all, nothing passes. Where
// several say something about the element, since the path leads through slices of it, one of them is enough.
func (l *Library) valueTest(at []*Element) test {
	var ways []test
	for _, e := range at {
		if fixed := l.fixedTests(e); fixed != nil {
			ways = append(ways, all(fixed))
		}
	}
	for _, e := range at {
		if ways == nil && e.Binding != nil && e.Binding.Strength == "required" {
			ways = []test{memberTest(e.Binding)}
		}
	}
	switch {
	case len(ways) == 1:
		return ways[0]
	case ways != nil:
		return func(s *Session, scope element.Scope, it item) verdict {
			result := out
			for _, t := range ways {
				result = either(result, t(s, scope, it))
			}
			return result
		}
	case slices.ContainsFunc(at, func(e *Element) bool { return e.Min > 0 }):
		return existing
	}
	return never
}

// all passes what passes all tests.
func all(tests []test) test {
	if len(tests) == 1 {
		return tests[0]
	}
	return func(s *Session, scope element.Scope, it item) verdict {
		result := in
		for _, t := range tests {
			result = both(result, t(s, scope, it))
		}
		return result
	}
}

// fixedTests are tests for what e and the elements below it fix.
func (l *Library) fixedTests(e *Element) []test {
	if want := parseValue(e.Fixed); want != nil {
		return []test{func(s *Session, _ element.Scope, it item) verdict {
			return is(!s.spent(size(it.Value)) && equal(want, it.Value))
		}}
	}
	if want := parseValue(e.Pattern); want != nil {
		return []test{func(s *Session, _ element.Scope, it item) verdict {
			return is(!s.spent(size(it.Value)) && contains(want, it.Value))
		}}
	}
	var tests []test
	below := func(e *Element) {
		for i := range e.Children {
			child := &e.Children[i]
			if isExtension(child.Name) {
				continue
			}
			for _, t := range l.fixedTests(child) {
				tests = append(tests, hopTo(child.Name).then(t))
			}
		}
	}
	below(e)
	for i := range e.Slices {
		if e.Slices[i].Min > 0 {
			tests = append(tests, l.fixedTests(&e.Slices[i])...)
		}
	}
	if p := l.onlyProfile(e); p != nil {
		below(&p.Root)
	}
	return tests
}

func memberTest(b *Binding) test {
	return func(s *Session, _ element.Scope, it item) verdict { return s.member(b.ValueSet, it.Element) }
}

// allowed are what the slice asks an element to be, or when resolved what it must lead to.
func (l *Library) allowed(at []*Element, resolved bool) []target {
	var targets []target
	for _, e := range at {
		if resolved {
			targets = append(targets, l.targets(e.Targets)...)
		} else {
			targets = append(targets, l.targets(e.Profiles)...)
		}
	}
	return targets
}

// typeTest compares an element's type: that of a choice, or of a resource. Other elements have one type only.
func (l *Library) typeTest(at []*Element, resolved bool) test {
	allowed := l.allowed(at, resolved)
	if !resolved {
		for _, e := range at {
			allowed = append(allowed, l.targets(e.Types)...)
		}
	}
	for i, a := range allowed {
		if a.typ != "" {
			allowed[i].typ = variant(a.typ)
		}
	}
	return func(_ *Session, _ element.Scope, it item) verdict {
		typ := it.goesBy()
		result := out
		for _, a := range allowed {
			if a.typ == "" || typ == "" {
				result = either(result, unknown)
			} else if a.typ == typ {
				return in
			}
		}
		return result
	}
}

// profileTest holds an element, or the resource that it leads to, against the profiles that the slice asks there.
func (l *Library) profileTest(at []*Element, resolved bool) test {
	allowed := l.allowed(at, resolved)
	return func(s *Session, scope element.Scope, it item) verdict {
		typ := it.goesBy()
		isResource := it.Value.ResourceType() != ""
		result := out
		for _, a := range allowed {
			v := out
			switch {
			case a.typ == "":
				v = unknown
			case isResource || !it.Exists(): // one that does not exist is not in the document
				if a.typ == typ {
					v = unknown
				}
				if v == unknown && isResource {
					v = is(a.profile == nil || s.conforms(scope, it.Value, a.profile))
				}
			case a.profile != nil:
				v = is(s.fault(func() { s.rules(a.profile.rules(), scope, it) }) == "")
			}
			if result = either(result, v); result == in {
				return in
			}
		}
		return result
	}
}

// onlyProfile returns the profile that e must conform to when there is one alone.
func (l *Library) onlyProfile(e *Element) *Profile {
	if len(e.Profiles) != 1 {
		return nil
	}
	return l.Profile(e.Profiles[0])
}

// extensionURL is the url of a slice of extensions: that of its definition, or the one fixed in it; "" for neither.
func extensionURL(e *Element) string {
	if len(e.Profiles) == 1 {
		return e.Profiles[0]
	}
	for _, child := range e.Children {
		if child.Name == "url" && child.Fixed != nil {
			return parseValue(child.Fixed).Text()
		}
	}
	return ""
}

// isExtension tells the elements that hold extensions.
func isExtension(name string) bool { return name == "extension" || name == "modifierExtension" }
