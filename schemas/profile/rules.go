package profile

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Rules are what is said about one element, ready to be checked. Immutable, and safe for concurrent use.
type Rules struct {
	*Element
	element        string // Name without [x]
	choice         bool
	source         string // canonical URL of the definition
	of             string // its name for people
	isType         bool   // the definition is that of a type of FHIR, not of a profile
	fixed, pattern *fhir.Value
	invariants     []boundInvariant
	slices         []*Rules
	children       []*Rules
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
	typ, _ := strings.CutPrefix(source, "http://hl7.org/fhir/StructureDefinition/")
	r.isType = typ != "" && typ[0] >= 'A' && typ[0] <= 'Z'
	for _, i := range e.Invariants {
		r.invariants = append(r.invariants, boundInvariant{i, decide(i.Expression)})
	}
	for i := range e.Slices {
		r.slices = append(r.slices, NewRules(&e.Slices[i], source, of))
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

// hasType tells whether typ, as a property spells it, is among the types of a choice.
func (r *Rules) hasType(typ string) bool {
	for _, t := range r.Types {
		if strings.EqualFold(t, typ) {
			return true
		}
	}
	return false
}

// childNamed returns the rules of the child called name, or nil.
func (r *Rules) childNamed(name string) *Rules {
	for _, c := range r.children {
		if c.element == name {
			return c
		}
	}
	return nil
}
