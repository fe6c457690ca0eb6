package search

import (
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// MaxAlternatives is how many alternatives all the conditions and searches of one submission may have together: as
// many as are looked for in well under a second.
const MaxAlternatives = 10_000

// Memory finds resources that are at hand, such as what a transaction has written so far, by conditions that are known
// beforehand. A look costs as much as the condition has alternatives, and each of these resources that have it,
// whatever else they hold. It is not safe for concurrent use.
type Memory[T comparable] struct {
	types  map[string]bool
	sought map[value][]int // what a condition asks for → the slots of those that have it
	slots  []slot[T]
	of     map[T]int // where each stands now
	looked int       // at slots, in all
}

// slot is where a resource stands from one Put to the next.
type slot[T comparable] struct {
	item T
	gone bool
	met  int // criteria, while Find runs
}

// value is what an element may have for a parameter.
type value struct {
	resourceType, param string
	alternative
}

// NewMemory returns a Memory without resources, for these conditions and no others.
func NewMemory[T comparable](conditions ...Condition) *Memory[T] {
	m := &Memory[T]{types: map[string]bool{}, sought: map[value][]int{}, of: map[T]int{}}
	for _, c := range conditions {
		m.types[c.Type] = true
		for _, alternatives := range c.values() {
			for _, v := range alternatives {
				m.sought[v] = nil
			}
		}
	}
	return m
}

// values are the alternatives of each criterion, the ids among them.
func (c Condition) values() [][]value {
	var all [][]value
	if c.ByID {
		var ids []value
		for _, id := range c.IDs {
			ids = append(ids, value{c.Type, "_id", alternative{target: id.String()}})
		}
		all = append(all, ids)
	}
	for _, k := range c.Criteria {
		var values []value
		for _, a := range k.alternatives {
			values = append(values, value{c.Type, k.param.Name, a})
		}
		all = append(all, values)
	}
	return all
}

// Put makes item be found as this resource with this id, and no more as what it was before.
func (m *Memory[T]) Put(item T, id string, resource *fhir.Value) {
	m.Remove(item)
	resourceType := resource.ResourceType()
	if !m.types[resourceType] {
		return
	}
	n := len(m.slots)
	m.slots, m.of[item] = append(m.slots, slot[T]{item: item}), n
	add := func(param string, a alternative) {
		v := value{resourceType, param, a}
		if slots, ok := m.sought[v]; ok && (len(slots) == 0 || slots[len(slots)-1] != n) {
			m.sought[v] = append(slots, n)
		}
	}
	add("_id", alternative{target: id})
	for p := range all(resourceType) {
		for _, e := range elements(resource, p.Path) {
			if p.Type == Reference {
				add(p.Name, alternative{target: reference(e)})
				continue
			}
			for _, t := range tokens(e, p.System) {
				add(p.Name, alternative{system: t.system, code: t.code})
				add(p.Name, alternative{anySystem: true, code: t.code})
			}
		}
	}
}

// Remove makes item be found no more.
func (m *Memory[T]) Remove(item T) {
	if n, ok := m.of[item]; ok {
		m.slots[n].gone = true
		delete(m.of, item)
	}
}

// Find returns what meets the condition, in the order in which it was put.
func (m *Memory[T]) Find(c Condition) []T {
	var first []int
	criteria := c.values()
	for met, alternatives := range criteria {
		for _, v := range alternatives {
			for _, n := range m.sought[v] {
				m.looked++
				s := &m.slots[n]
				if s.gone || s.met != met {
					continue
				}
				s.met++
				if met == 0 {
					first = append(first, n)
				}
			}
		}
	}
	slices.Sort(first)
	var found []T
	for _, n := range first {
		s := &m.slots[n]
		if s.met == len(criteria) {
			found = append(found, s.item)
		}
		s.met = 0
	}
	return found
}
