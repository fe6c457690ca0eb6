package search

import (
	"maps"
	"slices"
)

// Types returns the resource types that are served, sorted.
func Types() []string { return slices.Sorted(maps.Keys(params)) }
