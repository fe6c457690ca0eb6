package profile

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// verdict is whether an element belongs to a slice. Unknown, the zero value, is that of a reference which leads out
// of the document.
type verdict = terminology.Verdict

// sliced finds the slice of each item, checks the item against it, and counts. An item belongs to the first slice
// that it matches, and to a slice of that slice (named a/b) as well.
func (s *Session) sliced(r *Rules, scope element.Scope, items element.List, typ string) {
	if r.Slicing == nil || s.muted > 0 && s.failed {
		return
	}
	var some [16]int // more slices than most slicings have
	counts := append(some[:0], make([]int, len(r.slices))...)
	unclear, last, ended := false, -1, false
	for i := range items.Len() {
		item, at := items.At(i), -1
		for j, slice := range r.slices {
			if s.spent() {
				return
			}
			parent, _, isPart := strings.Cut(slice.Slice, "/")
			if isPart && (at < 0 || r.slices[at].Slice != parent) || !isPart && at >= 0 {
				continue
			}
			switch s.matches(r.Slicing, slice, scope, item, typ) {
			case terminology.In:
				if !isPart {
					at = j
				}
				counts[j]++
				s.down(r.element, place(items, i))
				s.rules(slice, s.inner(r, scope, item), item, typ)
				s.up()
			case terminology.Unknown:
				unclear = true
			}
		}
		s.order(r, place(items, i), at, &last, &ended, unclear)
	}
	for j, slice := range r.slices {
		if unclear && counts[j] < slice.Min {
			continue // what leads out of the document may be what is asked for
		}
		if slice.broken(counts[j]) {
			s.count(slice, counts[j], s.sliceName(slice))
		}
	}
}

// order holds the item at i, of slice at or of none, against the rules of the slicing.
func (s *Session) order(r *Rules, i, at int, last *int, ended *bool, unclear bool) {
	broken := ""
	switch {
	case at < 0 && r.Slicing.Rules == "closed" && !unclear:
		broken = r.of + " allows no other " + r.name() + " than it names"
	case at < 0:
		*ended = true
	case *ended && r.Slicing.Rules == "openAtEnd":
		broken = "Other " + r.name() + " elements stand behind those that " + r.of + " names"
	case r.Slicing.Ordered && at < *last:
		broken = r.name() + " must stand in the order that " + r.of + " gives"
	}
	if at >= 0 {
		*last = at
	}
	if broken != "" {
		s.down(r.element, i)
		s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleSlice, r.source}, broken)
		s.up()
	}
}

// sliceName is the name of a slice for a sentence: of an extension that of its definition.
func (s *Session) sliceName(slice *Rules) string {
	if len(slice.Profiles) == 1 {
		if p := s.checker.library.Profile(slice.Profiles[0]); p != nil {
			return slice.element + " (" + p.Name + ")"
		}
	}
	return slice.element + " (" + slice.Slice + ")"
}

// matches tells whether an item has all that tells the slice from others (FHIR R4 profiling.html#discriminator).
func (s *Session) matches(slicing *Slicing, slice *Rules, scope element.Scope, item element.Element, typ string) verdict {
	for _, d := range slicing.Discriminators {
		var v verdict
		switch d.Type {
		case "type":
			v = s.hasType(d.Path, slice, scope, item, typ)
		case "profile":
			v = s.hasProfile(d.Path, slice, scope, item)
		case "exists":
			v = s.exists(d.Path, slice, item)
		default: // value, pattern
			v = s.hasValue(d.Path, slice, item)
		}
		if v != terminology.In {
			return v
		}
	}
	return terminology.In
}

func is(condition bool) verdict {
	if condition {
		return terminology.In
	}
	return terminology.Out
}

// hasType compares the type of the item, or of the resource that path leads to.
func (s *Session) hasType(path string, slice *Rules, scope element.Scope, item element.Element, typ string) verdict {
	if path == "$this" && typ != "" {
		return is(slice.hasType(typ))
	}
	resource, _, found := s.resourceAt(path, scope, item)
	if !found {
		return terminology.Unknown
	}
	if at := slice.at(strings.TrimSuffix(path, "resolve()")); at != nil {
		slice = at
	}
	for _, t := range slices.Concat(slice.Types, slice.Profiles, slice.Targets) {
		if p := s.checker.library.Profile(t); p != nil {
			t = p.Type
		}
		if t == resource.ResourceType() {
			return terminology.In
		}
	}
	return terminology.Out
}

// hasProfile asks whether the resource that path leads to conforms to a profile of the slice.
func (s *Session) hasProfile(path string, slice *Rules, scope element.Scope, item element.Element) verdict {
	resource, at, found := s.resourceAt(path, scope, item)
	if !found {
		return terminology.Unknown
	}
	rules := slice.at(strings.TrimSuffix(strings.TrimSuffix(path, "resolve()"), "."))
	if rules == nil {
		rules = slice
	}
	wanted := rules.Profiles
	if strings.HasSuffix(path, "resolve()") {
		wanted = rules.Targets
	}
	for _, url := range wanted {
		p := s.checker.library.Profile(url)
		if p == nil && url == resource.ResourceType() || p != nil && (claims(resource, p) || s.conform(at, resource, p)) {
			return terminology.In
		}
	}
	return terminology.Out
}

// resourceAt returns the resource that path leads to from item: through a reference (resolve()), or in it (resource).
func (s *Session) resourceAt(path string, scope element.Scope, item element.Element) (*fhir.Value, element.Scope, bool) {
	steps, isReference := strings.CutSuffix(path, "resolve()")
	for _, step := range strings.Split(strings.Trim(steps, "."), ".") {
		if step != "" && step != "$this" {
			item = item.Get(step)
		}
	}
	if isReference {
		resource, at := scope.Resolve(item.Get("reference").Text())
		return resource, at, resource != nil
	}
	if path == "resource" && len(s.path) == 0 && scope == s.document.Root() {
		for i := range s.document.Entries() {
			if s.document.Entry(i).Resource == item.Value {
				return item.Value, s.document.Entry(i), true
			}
		}
	}
	return item.Value, scope, item.Value.ResourceType() != ""
}

// exists asks whether path leads to something, where the slice demands it, or to nothing, where it forbids it.
func (s *Session) exists(path string, slice *Rules, item element.Element) verdict {
	rules := slice.at(path)
	if rules == nil {
		return terminology.Unknown
	}
	found := false
	follow(item, path, func(element.Element) bool { found = true; return false })
	return is(found == (rules.Max == nil || *rules.Max > 0))
}

// hasValue asks whether path leads to a value as the slice wants it: a fixed value, a pattern, which may stand on an
// element that path goes through, the url of an extension, or a code of a value set.
func (s *Session) hasValue(path string, slice *Rules, item element.Element) verdict {
	if path == "url" && len(slice.Profiles) > 0 {
		return is(item.Get("url").Text() == slice.Profiles[0])
	}
	if wanted := s.wanted(path, slice); wanted != nil {
		matched := false
		follow(item, path, func(e element.Element) bool {
			matched = contains(wanted, e.Value)
			return !matched
		})
		return is(matched)
	}
	rules := slice.at(path)
	if rules == nil || rules.Binding == nil {
		return terminology.Out
	}
	best := terminology.Out
	follow(item, path, func(e element.Element) bool {
		best = s.member(rules.Binding.ValueSet, e)
		return best != terminology.In
	})
	return best
}

// wanted is the value that path leads to in what the slice fixes, or in the profile of the type that it, or an
// element on the way, must have; nil for none.
func (s *Session) wanted(path string, r *Rules) *fhir.Value {
	for _, v := range []*fhir.Value{r.fixed, r.pattern} {
		if v == nil {
			continue
		}
		if path == "$this" || path == "" {
			return v
		}
		if found := v.At(strings.Split(path, ".")...); found != nil {
			return found
		}
	}
	if path != "$this" && path != "" {
		step, rest, _ := strings.Cut(path, ".")
		if child := r.childNamed(step); child != nil {
			if v := s.wanted(rest, child); v != nil {
				return v
			}
			for _, part := range child.slices {
				if v := s.wanted(rest, part); v != nil && part.Min > 0 {
					return v
				}
			}
		}
	}
	if len(r.Profiles) == 1 {
		if p := s.checker.library.Profile(r.Profiles[0]); p != nil {
			return s.wanted(path, p.rules())
		}
	}
	return nil
}

// at returns the rules of the element that path leads to, or nil.
func (r *Rules) at(path string) *Rules {
	for _, step := range strings.Split(path, ".") {
		if step == "" || step == "$this" {
			continue
		}
		if r = r.childNamed(step); r == nil {
			return nil
		}
	}
	return r
}

// follow calls visit for every element that path leads to from e, until visit returns false.
func follow(e element.Element, path string, visit func(element.Element) bool) bool {
	if path == "" || path == "$this" {
		return visit(e)
	}
	step, rest, _ := strings.Cut(path, ".")
	for _, child := range e.All(step) {
		if !follow(child, rest, visit) {
			return false
		}
	}
	return true
}
