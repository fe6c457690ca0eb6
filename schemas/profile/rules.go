package profile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Rules are what is said about one element, ready to be checked. Safe for concurrent use.
type Rules struct {
	*Element
	element        string // Name without [x]
	choice         bool
	variants       []string // Types as a choice's property ends: DateTime
	source         string   // canonical URL of the definition
	of             string   // its name for people
	isType         bool     // the definition is that of a type of FHIR, not of a profile
	fixed, pattern *fhir.Value
	invariants     []boundInvariant
	slices         []*Rules
	children       []*Rules

	// Of a slice: its place among all slices of the element, those of slices included, which number places.
	place, places int

	once   sync.Once // before what other profiles say about this element is known
	linked linked
}

// linked is what follows from other profiles.
type linked struct {
	targets  []target
	profiles []alternative
	// What tells an element of this slice: the url of an extension, or else all tests.
	url   string
	tests []test
}

// boundInvariant is a rule with what decides it; nil where nothing does.
type boundInvariant struct {
	Invariant
	check invariant.Func
}

// NewRules returns the rules of e and of all below it. source is the canonical URL of the definition that states
// them, and of its name for people.
func NewRules(e *Element, source, of string) *Rules {
	r := &Rules{Element: e, source: source, of: of, fixed: parseValue(e.Fixed), pattern: parseValue(e.Pattern)}
	r.element, r.choice = strings.CutSuffix(e.Name, "[x]")
	for _, t := range e.Types {
		r.variants = append(r.variants, variant(t))
	}
	typ, _ := strings.CutPrefix(source, "http://hl7.org/fhir/StructureDefinition/")
	r.isType = typ != "" && typ[0] >= 'A' && typ[0] <= 'Z'
	for _, i := range e.Invariants {
		r.invariants = append(r.invariants, boundInvariant{i, decide(i.Expression)})
	}
	for i := range e.Slices {
		if outer(e.Slices, &e.Slices[i]) < 0 {
			slice := NewRules(withSlices(e, i), source, of)
			slice.move(r.places)
			r.places += 1 + slice.places
			r.slices = append(r.slices, slice)
		}
	}
	for i := range e.Children {
		r.children = append(r.children, NewRules(&e.Children[i], source, of))
	}
	return r
}

// decide returns what decides a rule: what is written for it, else the engine, which serves the profiles that an
// operator adds; nil where that refuses the expression. A test holds that every rule that is built in is written.
func decide(expression string) invariant.Func {
	if check := invariant.Lookup(expression); check != nil {
		return check
	}
	check, err := invariant.Engine(expression)
	if err != nil {
		return nil
	}
	return check
}

// outer returns which of slices the slice e is a slice of, as its name tells (a/b is one of a; FHIR R4
// profiling.html#reslicing): that with the longest name, or -1.
func outer(slices []Element, e *Element) int {
	found := -1
	for i := range slices {
		if strings.HasPrefix(e.Slice, slices[i].Slice+"/") && (found < 0 || len(slices[i].Slice) > len(slices[found].Slice)) {
			found = i
		}
	}
	return found
}

// withSlices returns the i-th slice of e with its slices among e's. They are told apart as e's are, unless the slice
// says otherwise.
func withSlices(e *Element, i int) *Element {
	slice := e.Slices[i]
	slice.Slices = slices.Clone(slice.Slices)
	for j := range e.Slices {
		if outer(e.Slices, &e.Slices[j]) == i {
			slice.Slices = append(slice.Slices, e.Slices[j])
		}
	}
	if len(slice.Slices) > 0 && slice.Slicing == nil && e.Slicing != nil {
		slice.Slicing = &Slicing{Discriminators: e.Slicing.Discriminators, Rules: "open"}
	}
	return &slice
}

// move sets the place of a slice, and moves those of its slices behind it.
func (r *Rules) move(by int) {
	r.place += by
	for _, slice := range r.slices {
		slice.move(by + 1)
	}
}

// link readies what depends on other profiles, once.
func (r *Rules) link(l *Library) *linked {
	r.once.Do(func() {
		r.linked.targets = l.targets(r.Targets)
		r.linked.profiles = l.alternatives(r.Element)
		if r.Slicing == nil {
			return
		}
		for _, slice := range r.slices {
			slice.link(l)
			if d := r.Slicing.Discriminators; len(d) == 1 && d[0].Path == "url" {
				slice.linked.url = extensionURL(slice.Element)
			}
			if slice.linked.url == "" {
				for _, d := range r.Slicing.Discriminators {
					slice.linked.tests = append(slice.linked.tests, l.test(d, slice.Element))
				}
			}
		}
	})
	return &r.linked
}

// parseValue reads a JSON value of a table; nil for none.
func parseValue(raw []byte) *fhir.Value {
	if raw == nil {
		return nil
	}
	v, err := fhir.Parse(bytes.Join([][]byte{[]byte(`{"value":`), raw, []byte(`}`)}, nil), "value", fhir.Limits{})
	if err != nil {
		panic(fmt.Errorf("profile: a table's value: %w", err))
	}
	return v.Get("value")
}

// lazyRules are the rules of a profile, made when it is first used.
type lazyRules struct {
	once  sync.Once
	rules *Rules
}

// rules returns the rules of the profile's root.
func (p *Profile) rules() *Rules {
	p.lazy.once.Do(func() { p.lazy.rules = NewRules(&p.Root, p.URL, p.Name) })
	return p.lazy.rules
}

// name is the element's name for a sentence.
func (r *Rules) name() string {
	if r.element == "" {
		return "The " + r.of
	}
	return r.element
}

// variant spells a type as a choice's property ends: DateTime for dateTime.
func variant(typ string) string { return strings.ToUpper(typ[:1]) + typ[1:] }
