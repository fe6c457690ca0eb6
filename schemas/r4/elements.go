// Package r4 tells which elements of a resource of FHIR R4 are in its summary and which are mandatory. Its table stands
// beside the JSON Schemas, made from the same definitions; package schemas checks by those.
package r4

import (
	_ "embed" // the table
	"strings"
	"sync"
)

//go:embed elements.txt
var elements string

// Element is an element that is in the summary of its owner, or mandatory.
type Element struct {
	Mandatory bool
	Owner     string // for Elements of what is in it; empty: all of it is in a summary
}

// Elements returns those of a resource type, or of an owner that another Element names, by their names in JSON: a choice
// has a name for each type. It is nil for any other owner. The map is not to be changed.
func Elements(owner string) map[string]Element { return table()[owner] }

var table = sync.OnceValue(func() map[string]map[string]Element {
	owners := map[string]map[string]Element{}
	for line := range strings.Lines(elements) {
		fields := strings.Fields(line)
		owner := make(map[string]Element, len(fields)-1)
		for _, field := range fields[1:] {
			name, inside, _ := strings.Cut(field, ">")
			name, mandatory := strings.CutSuffix(name, "!")
			owner[name] = Element{mandatory, inside}
		}
		owners[fields[0]] = owner
	}
	return owners
})
