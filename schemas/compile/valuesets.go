package compile

import (
	"bytes"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// maxMembers is the largest value set that is kept in full: beyond it begin the terminologies.
const maxMembers = 3000

// maxNesting bounds how deep value sets include each other.
const maxNesting = 8

// valueSetText returns the file of the value sets that tables, schemas and rules name, one a line. Those that the
// packages do not define are not in it.
func (d *Definitions) valueSetText(named map[string]bool) ([]byte, error) {
	var urls []string
	for url := range named {
		if m := d.members(url, 0); m != nil {
			urls = append(urls, url)
		}
	}
	slices.Sort(urls)
	var b bytes.Buffer
	b.WriteString("{")
	for i, url := range urls {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		if err := encode(&b, url); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, d.members(url, 0)); err != nil {
			return nil, err
		}
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// members lists what belongs to the value set at url, as far as the packages tell; nil where they do not define it.
func (d *Definitions) members(url string, depth int) *terminology.ValueSet {
	set := d.valueSets[url]
	if set == nil || depth > maxNesting {
		return nil
	}
	c := collection{codes: map[string]map[string]bool{}, whole: map[string]bool{}, unclear: map[string]bool{}}
	for _, include := range set.Compose.Include {
		d.include(&c, include, depth)
	}
	for _, exclude := range set.Compose.Exclude {
		c.exclude(exclude)
	}
	if c.partial || len(c.unclear) > 0 || len(set.Compose.Include) == 0 {
		if listed := d.expansions[url]; listed != nil {
			return listed.valueSet()
		}
	}
	if len(set.Compose.Include) == 0 {
		return nil
	}
	return c.valueSet()
}

// collection gathers the members of a value set.
type collection struct {
	codes   map[string]map[string]bool // by system
	whole   map[string]bool            // systems whose every code is a member
	unclear map[string]bool            // systems with members that are not known
	partial bool                       // members of unknown systems are missing
}

func (c *collection) add(system string, codes ...string) {
	if c.codes[system] == nil {
		c.codes[system] = make(map[string]bool, len(codes))
	}
	for _, code := range codes {
		c.codes[system][code] = true
	}
}

func (d *Definitions) include(c *collection, include conceptSet, depth int) {
	switch {
	case len(include.ValueSet) > 1 || include.System != "" && len(include.ValueSet) > 0:
		if include.System != "" {
			c.unclear[include.System] = true
		} else {
			c.partial = true
		}
	case len(include.ValueSet) == 1:
		url, _, _ := strings.Cut(include.ValueSet[0], "|")
		c.union(d.members(url, depth+1))
	case len(include.Concept) > 0:
		c.add(include.System, flatten(nil, include.Concept)...)
	case len(include.Filter) > 0:
		if codes, ok := d.filtered(include); ok {
			c.add(include.System, codes...)
		} else {
			c.unclear[include.System] = true
		}
	default:
		if system := d.systems[include.System]; system != nil && system.Content == "complete" {
			c.add(include.System, flatten(nil, system.Concept)...)
		} else {
			c.whole[include.System] = true
		}
	}
}

func (c *collection) union(set *terminology.ValueSet) {
	if set == nil {
		c.partial = true
		return
	}
	c.partial = c.partial || set.Partial
	for system, codes := range set.Codes {
		if len(codes) == 0 {
			c.whole[system] = true
			continue
		}
		c.add(system, codes...)
	}
}

func (c *collection) exclude(exclude conceptSet) {
	if len(exclude.Concept) == 0 {
		c.unclear[exclude.System] = true
		return
	}
	for _, code := range flatten(nil, exclude.Concept) {
		delete(c.codes[exclude.System], code)
	}
}

func (c *collection) valueSet() *terminology.ValueSet {
	set := &terminology.ValueSet{Codes: map[string][]string{}, Partial: c.partial || len(c.unclear) > 0}
	members := 0
	for system, codes := range c.codes {
		if c.unclear[system] || c.whole[system] {
			continue
		}
		if members += len(codes); members > maxMembers {
			set.Partial = true
			continue
		}
		sorted := make([]string, 0, len(codes))
		for code := range codes {
			sorted = append(sorted, code)
		}
		slices.Sort(sorted)
		set.Codes[system] = sorted
	}
	for system := range c.whole {
		if !c.unclear[system] {
			set.Codes[system] = []string{}
		}
	}
	if set.Partial && len(set.Codes) == 0 {
		return nil
	}
	return set
}

// filtered lists the concepts that one filter on the hierarchy of a complete code system selects.
func (d *Definitions) filtered(include conceptSet) ([]string, bool) {
	system := d.systems[include.System]
	if system == nil || system.Content != "complete" || len(include.Filter) != 1 || include.Filter[0].Property != "concept" {
		return nil, false
	}
	filter := include.Filter[0]
	if filter.Op != "is-a" && filter.Op != "descendent-of" {
		return nil, false
	}
	below := map[string][]string{}
	hierarchy(below, "", system.Concept)
	seen := map[string]bool{filter.Value: true}
	codes := []string{filter.Value}
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
	c := &collection{codes: map[string]map[string]bool{}}
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
