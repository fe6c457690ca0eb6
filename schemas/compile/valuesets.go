package compile

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// maxMembers is the largest value set that is kept in full: beyond it begin the terminologies.
const maxMembers = 3000

// maxNesting bounds how deep value sets include each other.
const maxNesting = 8

// valueSetText returns the file of the value sets that tables, schemas and rules name, one a line. Those that
// the packages do not define, or of which they tell nothing that decides, are not in it.
func (d *Definitions) valueSetText(named map[string]bool) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{")
	separator := "\n"
	for _, url := range slices.Sorted(maps.Keys(named)) {
		members := d.members(url)
		if members == nil {
			continue
		}
		b.WriteString(separator)
		separator = ",\n"
		if err := encode(&b, url); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, members); err != nil {
			return nil, err
		}
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// members lists what belongs to the value set at url, as far as the packages tell; nil where they tell nothing that
// decides about a code.
func (d *Definitions) members(url string) *terminology.ValueSet {
	c := d.collect(url, 0)
	if c == nil {
		return nil
	}
	return c.valueSet()
}

// collection gathers the members of a value set.
type collection struct {
	codes   map[string]map[string]bool // by system
	whole   map[string]bool            // systems whose every code is a member
	unclear map[string]bool            // systems of whose codes it is not known which are members
	unknown bool                       // any system may have members beside these
}

func newCollection() *collection {
	return &collection{codes: map[string]map[string]bool{}, whole: map[string]bool{}, unclear: map[string]bool{}}
}

// isComplete tells whether the collection decides about every code.
func (c *collection) isComplete() bool { return !c.unknown && len(c.unclear) == 0 }

func (c *collection) add(system string, codes ...string) {
	if c.codes[system] == nil {
		c.codes[system] = make(map[string]bool, len(codes))
	}
	for _, code := range codes {
		c.codes[system][code] = true
	}
}

// collect returns the members of the value set at url: those its definition selects or, where the packages do not
// hold what that takes, those of a complete expansion. It returns nil for a value set that they do not define.
func (d *Definitions) collect(url string, depth int) *collection {
	url, _, _ = strings.Cut(url, "|")
	set := d.valueSets[url]
	if set == nil || depth > maxNesting {
		return nil
	}
	c := newCollection()
	for _, include := range set.Compose.Include {
		d.include(c, include, depth)
	}
	for _, exclude := range set.Compose.Exclude {
		d.exclude(c, exclude)
	}
	if listed := d.expansions[url]; listed != nil && (!c.isComplete() || len(set.Compose.Include) == 0) {
		return listed
	}
	if len(set.Compose.Include) == 0 {
		return nil
	}
	return c
}

func (d *Definitions) include(c *collection, include conceptSet, depth int) {
	switch {
	case len(include.ValueSet) == 1 && include.System == "":
		c.union(d.collect(include.ValueSet[0], depth+1))
		return
	case len(include.ValueSet) > 0 && include.System == "": // what they have in common
		c.unknown = true
		return
	case len(include.ValueSet) > 0:
		c.unclear[include.System] = true
		return
	}
	codes, held := d.concepts(include)
	switch {
	case held:
		c.add(include.System, codes...)
	case len(include.Filter) == 0:
		c.whole[include.System] = true
	default:
		c.unclear[include.System] = true
	}
}

// concepts lists the codes that set selects from its system; held is false where the packages cannot tell.
func (d *Definitions) concepts(set conceptSet) (codes []string, held bool) {
	if len(set.Concept) > 0 {
		return flatten(nil, set.Concept), true
	}
	system := d.systems[set.System]
	if system == nil || system.Content != "complete" {
		return nil, false
	}
	if len(set.Filter) > 0 {
		return system.filtered(set.Filter)
	}
	return flatten(nil, system.Concept), true
}

func (c *collection) union(other *collection) {
	if other == nil {
		c.unknown = true
		return
	}
	c.unknown = c.unknown || other.unknown
	maps.Copy(c.whole, other.whole)
	maps.Copy(c.unclear, other.unclear)
	for system, codes := range other.codes {
		c.add(system, slices.Collect(maps.Keys(codes))...)
	}
}

// exclude takes codes away. Where it cannot tell which, nothing is known of their system any more.
func (d *Definitions) exclude(c *collection, exclude conceptSet) {
	if exclude.System == "" {
		c.unknown, c.whole = true, map[string]bool{}
		return
	}
	codes, held := d.concepts(exclude)
	if !held || len(exclude.ValueSet) > 0 || c.whole[exclude.System] {
		c.unclear[exclude.System] = true
		return
	}
	for _, code := range codes {
		delete(c.codes[exclude.System], code)
	}
}

// valueSet states the systems about whose codes the collection decides; nil for none. Systems of more than maxMembers
// codes altogether are left out.
func (c *collection) valueSet() *terminology.ValueSet {
	set := &terminology.ValueSet{Codes: map[string][]string{}, Partial: !c.isComplete()}
	members := 0
	for _, system := range slices.Sorted(maps.Keys(c.codes)) {
		codes := c.codes[system]
		if c.unknown || c.unclear[system] || c.whole[system] || len(codes) == 0 {
			continue
		}
		if members+len(codes) > maxMembers {
			set.Partial = true
			continue
		}
		members += len(codes)
		set.Codes[system] = slices.Sorted(maps.Keys(codes))
	}
	for system := range c.whole {
		if !c.unclear[system] {
			set.Codes[system] = []string{}
		}
	}
	if len(set.Codes) == 0 {
		return nil
	}
	return set
}

// filtered lists the concepts of a complete system that one filter on its hierarchy selects.
func (s *codeSystem) filtered(filters []filter) (codes []string, held bool) {
	if len(filters) != 1 || filters[0].Property != "concept" {
		return nil, false
	}
	filter := filters[0]
	if filter.Op != "is-a" && filter.Op != "descendent-of" {
		return nil, false
	}
	below := map[string][]string{}
	hierarchy(below, "", s.Concept)
	seen := map[string]bool{filter.Value: true}
	codes = []string{filter.Value}
	for i := 0; i < len(codes); i++ {
		for _, code := range below[codes[i]] {
			if !seen[code] {
				seen[code] = true
				codes = append(codes, code)
			}
		}
	}
	if filter.Op == "descendent-of" {
		codes = codes[1:]
	}
	return codes, true
}

// hierarchy notes what stands below each concept: nested in it, or saying so by a property.
func hierarchy(below map[string][]string, parent string, concepts []concept) {
	for _, c := range concepts {
		if parent != "" {
			below[parent] = append(below[parent], c.Code)
		}
		for _, p := range c.Property {
			if p.Code == "subsumedBy" || p.Code == "parent" {
				below[p.ValueCode] = append(below[p.ValueCode], c.Code)
			}
		}
		hierarchy(below, c.Code, c.Concept)
	}
}

// collection returns the members that an expansion lists; nil where it is not complete.
func (e expansion) collection() *collection {
	if e.Total == 0 || e.Offset > 0 {
		return nil
	}
	c := newCollection()
	count := 0
	var list func(contains []contained)
	list = func(contains []contained) {
		for _, m := range contains {
			if m.Code != "" {
				count++
				c.add(m.System, m.Code)
			}
			list(m.Contains)
		}
	}
	list(e.Contains)
	if count < e.Total {
		return nil
	}
	return c
}
