package compile

import (
	"fmt"
	"strings"
)

// definitionTree is the snapshot of a profile as the tree that its ids describe.
type definitionTree struct {
	definition *elementDefinition
	name       string // of the element, as in its path
	slice      string
	slices     []*definitionTree
	children   []*definitionTree
}

func (n *definitionTree) child(name string) *definitionTree {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	c := &definitionTree{name: name}
	n.children = append(n.children, c)
	return c
}

// sliceNamed returns the slice called name; one called a/b slices what is in the slice a once more (FHIR R4
// profiling.html#reslicing).
func (n *definitionTree) sliceNamed(name string) *definitionTree {
	for _, s := range n.slices {
		if s.slice == name {
			return s
		}
		if strings.HasPrefix(name, s.slice+"/") {
			return s.sliceNamed(name)
		}
	}
	s := &definitionTree{name: n.name, slice: name}
	n.slices = append(n.slices, s)
	return s
}

// tree reads a snapshot by the ids of its elements, such as Patient.identifier:ihi.type (FHIR R4
// elementdefinition.html#id).
func tree(s *structureDefinition) (*definitionTree, error) {
	if len(s.Snapshot.Element) == 0 {
		return nil, fmt.Errorf("no snapshot")
	}
	root := &definitionTree{definition: &s.Snapshot.Element[0]}
	for i := range s.Snapshot.Element[1:] {
		e := &s.Snapshot.Element[i+1]
		n := root
		for _, step := range strings.Split(e.ID, ".")[1:] {
			name, slice, isSlice := strings.Cut(step, ":")
			n = n.child(name)
			if isSlice {
				n = n.sliceNamed(slice)
			}
		}
		n.definition = e
	}
	return root, nil
}
