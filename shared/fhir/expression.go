package fhir

import (
	_ "embed"
	"strconv"
	"strings"
)

// names are the resource types of R4 and the names that its elements have in JSON, without underscores: one a line,
// sorted. A test of package schemas holds it against the schemas and writes it with -update.
//
//go:embed names.txt
var names string

// step is one level of the path to where the parser stands: a member's name, or an index in an array; in an object
// that has no member yet it is neither, with index -1.
type step struct {
	name  string
	index int
}

// expression is the FHIRPath of the parser's place. A name that R4 does not know is left out with all that follows:
// a name, too, can be a patient's.
func (p *parser) expression() string {
	var b strings.Builder
	if IsName(p.typeName) && p.typeName[0] <= 'Z' {
		b.WriteString(p.typeName)
	} else {
		b.WriteString(p.root)
	}
	for _, s := range p.path {
		name := strings.TrimPrefix(s.name, "_")
		switch {
		case name != "" && IsName(name) && name[0] >= 'a':
			b.WriteString("." + name)
		case s.name != "":
			return b.String()
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}
