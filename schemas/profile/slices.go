package profile

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// tally counts the items of one slice.
type tally struct {
	n       int
	unclear bool // an item may belong here, but what would tell is not in the document
}

// sequence is how far the items of a list came in the order of its slices.
type sequence struct {
	last  int  // the slice of the item before
	ended bool // an item before is in no slice
}

// assign finds the slice of the current item, which is the first that it matches, and within that its slice there,
// checks the item against both and counts it. The tallies begin at base.
func (s *Session) assign(r *Rules, base int, scope element.Scope, it item, seq *sequence) {
	at, unclear := -1, false
	for i, slice := range r.slices {
		switch s.matches(slice, scope, it) {
		case in:
			if at >= 0 {
				s.report(issue{fhir.SeverityWarning, fhir.CodeStructure, RuleSlice, r.source},
					r.name()+" could be "+r.slices[at].Slice+" as well as "+slice.Slice+" in "+r.of+"; it was taken for the first")
			} else {
				at = i
			}
		case unknown:
			unclear = true
		case out:
		}
		if at >= 0 && (slice.linked.url != "" || s.muted > 0) {
			break
		}
	}
	if at >= 0 {
		slice := r.slices[at]
		s.tallies[base+slice.place].n++
		s.rules(slice, scope, it)
		if len(slice.slices) > 0 {
			slice.link(s.checker.library)
			s.assign(slice, base, scope, it, &sequence{})
		}
	} else if unclear {
		for _, slice := range r.slices {
			if s.matches(slice, scope, it) == unknown {
				s.tallies[base+slice.place].unclear = true
			}
		}
	}
	s.order(r, at, unclear, seq)
}

// matches tells whether an item has all that tells a slice from others (FHIR R4 profiling.html#discriminator).
func (s *Session) matches(slice *Rules, scope element.Scope, it item) verdict {
	if s.spent(1) {
		return unknown
	}
	if slice.linked.url != "" {
		return is(it.Value.Get("url").Text() == slice.linked.url)
	}
	if len(slice.linked.tests) == 0 {
		return unknown // the profile says in words only what tells its slices apart
	}
	result := in
	for _, t := range slice.linked.tests {
		if result = both(result, t(s, scope, it)); result == out {
			break
		}
	}
	return result
}

// order holds the current item, of slice at or of none, against the rules of the slicing.
func (s *Session) order(r *Rules, at int, unclear bool, seq *sequence) {
	broken := ""
	switch {
	case at < 0 && unclear:
	case at < 0 && r.Slicing.Rules == "closed":
		broken = r.of + " allows no other " + r.name() + " than it names"
	case at < 0:
		seq.ended = true
	case seq.ended && r.Slicing.Rules == "openAtEnd":
		broken = "Other " + r.name() + " elements must stand behind those that " + r.of + " names"
	case r.Slicing.Ordered && at < seq.last:
		broken = r.name() + " must stand in the order that " + r.of + " gives"
	}
	if at >= 0 {
		seq.last = at
	}
	if broken != "" {
		s.report(issue{fhir.SeverityError, fhir.CodeStructure, RuleSlice, r.source}, broken)
	}
}

// sliceCounts holds how many items each slice has against what it allows.
func (s *Session) sliceCounts(r *Rules, base int) {
	for _, slice := range r.slices {
		t := s.tallies[base+slice.place]
		if !t.unclear || t.n >= slice.Min {
			s.count(slice, t.n, true)
		}
		if t.n > 0 {
			s.sliceCounts(slice, base)
		}
	}
}

// slicesTell tells that where no element is there, its slices say what is missing, and better.
func (r *Rules) slicesTell() bool {
	required := 0
	for _, slice := range r.slices {
		required += slice.Min
	}
	return r.Min > 0 && required >= r.Min
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
