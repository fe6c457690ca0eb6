package main

import (
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// place is where something is made.
type place struct {
	pointer string // JSON Pointer
	path    string // FHIRPath
	key     string // the path with names of slices for indexes
	depth   int
	// deciding are the paths below that tell the slice that this stands in from others; decided tells that one leads
	// here, or above. With another value the element would be in no slice, which is no fault of the value.
	deciding []string
	decided  bool
	// outer tells that a slice around the one that this stands in is told by it.
	outer bool
}

// decides tells an element on or below a path that tells slices apart.
func (at place) decides() bool { return at.decided || len(at.deciding) > 0 }

// child returns the place of the i-th element called name.
func (at place) child(name string, p property, i int) place {
	element := name
	if p.choice != "" {
		element = p.choice
	}
	next := place{pointer: at.pointer + "/" + name, path: at.path + "." + element, key: at.key + "." + element,
		depth: at.depth + 1, decided: at.decided, outer: at.outer}
	if p.repeats {
		next.pointer += "/" + strconv.Itoa(i)
		next.path += "[" + strconv.Itoa(i) + "]"
	}
	for _, d := range at.deciding {
		if d == element {
			next.decided = true
		} else if rest, found := strings.CutPrefix(d, element+"."); found {
			next.deciding = append(next.deciding, rest)
		}
	}
	return next
}

// item returns the place of an element that is made for a slice. Of a type discriminator only the type decides.
func (at place) item(slice *rule, slicings []profile.Slicing) place {
	at.key += ":" + slice.Slice
	at.outer = at.decides()
	for _, s := range slicings {
		for _, d := range s.Discriminators {
			path := strings.TrimPrefix(strings.TrimSuffix(strings.TrimSuffix(d.Path, "resolve()"), "."), "$this")
			switch {
			case path == "" && (d.Type != "type" || d.Path != "$this"):
				at.decided = true
			case path != "":
				at.deciding = append(at.deciding, path)
			}
		}
	}
	return at
}
