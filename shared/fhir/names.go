package fhir

import (
	"slices"
	"strings"
	"sync"
)

var knownNames = sync.OnceValue(func() []string { return strings.Fields(names) })

// IsName tells whether name is a resource type of FHIR R4 or the name of an element as JSON has it, without an
// underscore. Any other name in a document may be a patient's, and is not repeated.
func IsName(name string) bool {
	_, found := slices.BinarySearch(knownNames(), name)
	return found
}
