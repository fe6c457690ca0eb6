package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Case is one way to break an instance, and the issue that must tell.
type Case struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Patch []Edit `json:"patch"`
	Want  Want   `json:"want"`
}

// Edit is an operation of JSON Patch (RFC 6902): add, remove or replace.
type Edit struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Want is what one of the issues must say. Rule is empty where the schema of a type decides, which has no name for it.
type Want struct {
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Expression string `json:"expression"`
	Rule       string `json:"rule,omitempty"`
	Source     string `json:"source,omitempty"`
}

// isTold tells whether i is the issue that is wanted.
func (w Want) isTold(i fhir.Issue) bool {
	return w == Want{string(i.Severity), string(i.Code), i.Expression, i.Rule, i.Source}
}

// breaker collects the cases of one instance.
type breaker struct {
	*maker
	profile  *profile.Profile
	instance map[string]any
	cases    []Case
	told     map[Want]bool // faults of definitions that several profiles share, which one of them shows
	names    map[string]bool
	unbroken []fhir.Issue // what is told of the instance anyway
}

func remove(path string) Edit             { return Edit{Op: "remove", Path: path} }
func replace(path string, value any) Edit { return Edit{Op: "replace", Path: path, Value: value} }
func put(path string, value any) Edit     { return Edit{Op: "add", Path: path, Value: value} }

// add adds a case. What only the instance's own profile asks is broken in each profile; what a type or another
// definition asks, once for an element of a type.
func (b *breaker) add(kind, name string, want Want, patch ...Edit) {
	if want.Severity == "" {
		want.Severity = "error"
	}
	key := name + want.Source
	if b.names[key] || slices.ContainsFunc(b.unbroken, want.isTold) {
		return
	}
	b.names[key] = true
	if want.Source == "" || want.Source != b.profile.URL {
		fault := want
		fault.Expression = withoutIndexes(want.Expression)
		if want.Rule == "" || strings.HasPrefix(want.Source, coreDefinitions) {
			fault.Code += name[:strings.IndexByte(name, ':')] // several ways to break one thing
		}
		if b.told[fault] {
			return
		}
		b.told[fault] = true
	}
	b.cases = append(b.cases, Case{kind, name, patch, want})
}

// coreDefinitions is where the canonical URLs of FHIR's own definitions begin.
const coreDefinitions = "http://hl7.org/fhir/StructureDefinition/"

func withoutIndexes(expression string) string {
	steps := strings.Split(expression, ".")
	for i := range steps {
		steps[i], _, _ = strings.Cut(steps[i], "[")
	}
	return strings.Join(steps, ".")
}

// all breaks everything that the spots tell of.
func (b *breaker) all() []Case {
	b.resource()
	for _, i := range b.types.known[b.profile.Type].invariants {
		b.invariant("", b.profile.Type, i, b.types.known[b.profile.Type].source())
	}
	for _, i := range b.profile.Root.Invariants {
		b.invariant("", b.profile.Type, i, b.profile.URL)
	}
	for _, s := range b.spots {
		if s.pointer == "" {
			b.forbidden(s)
			continue
		}
		b.base(s)
		for _, r := range s.rules {
			b.count(s, r)
			if s.free(r) {
				b.content(s, r)
			}
			if r.Slicing != nil && r.Slicing.Rules == "closed" {
				b.closed(s, r)
			}
			b.ruleInvariants(s, r)
		}
		if s.property.typ == "Extension" {
			b.extension(s)
		}
	}
	return b.cases
}

// free tells that another value breaks r, and not only leaves the slice. An element of a slice is free of rules for all
// elements of its list alone.
func (s spot) free(r rule) bool {
	if s.slice != nil && s.index >= 0 {
		return r.Slice == "" && !s.outer
	}
	return !s.decides()
}

// ruleInvariants breaks the invariants of a rule and of the profiles of its datatype.
func (b *breaker) ruleInvariants(s spot, r rule) {
	for _, i := range r.Invariants {
		b.invariant(s.pointer, s.path, i, r.owner.URL)
	}
	if len(r.Profiles) != 1 || s.property.typ == "Resource" {
		return
	}
	if other := b.library.Profile(r.Profiles[0]); other != nil {
		for _, i := range other.Root.Invariants {
			b.invariant(s.pointer, s.path, i, other.URL)
			b.number(s, other, i.Key)
		}
	}
}

// at returns what pointer leads to in the instance.
func (b *breaker) at(pointer string) any {
	var v any = b.instance
	for _, step := range strings.Split(pointer, "/")[1:] {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// size is the number of members or items of what pointer leads to.
func (b *breaker) size(pointer string) int {
	v := any(b.instance)
	if pointer != "" {
		v = b.at(pointer)
	}
	switch x := v.(type) {
	case map[string]any:
		return len(x)
	case []any:
		return len(x)
	}
	return 0
}
