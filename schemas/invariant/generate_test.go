package invariant_test

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// generator makes instances of a type out of what one expression speaks of: the elements it names, with the literals
// it compares them with and others. It makes the same ones whenever it is asked.
type generator struct {
	*rand.Rand
	tables   *tables
	names    map[string]bool
	literals []string
	url      string // of the extension that is made
}

var (
	namesOf    = regexp.MustCompile("[A-Za-z][A-Za-z0-9]*")
	literalsOf = regexp.MustCompile(`'([^'\\]*)'`)
)

func newGenerator(t *tables, r placedRule, typ string) *generator {
	h := fnv.New64a()
	h.Write([]byte(typ + r.Expression))
	g := &generator{Rand: rand.New(rand.NewPCG(h.Sum64(), 1)), tables: t, names: map[string]bool{}, url: r.url}
	for _, m := range literalsOf.FindAllStringSubmatch(r.Expression, -1) {
		g.literals = append(g.literals, m[1])
	}
	g.literals = slices.DeleteFunc(g.literals, func(s string) bool { return strings.TrimSpace(s) == "" })
	if strings.Contains(r.Expression, "{4}") {
		g.literals = append(g.literals, "0870")
	}
	for _, name := range namesOf.FindAllString(r.Expression, -1) {
		g.names[name] = true
	}
	for _, step := range append(strings.Split(typ, "."), r.at...) {
		g.names[strings.TrimSuffix(step, "[x]")] = true
	}
	for name, others := range implied {
		if g.names[name] {
			for _, other := range strings.Fields(others) {
				g.names[other] = true
			}
		}
	}
	switch {
	case g.names["ucum"]:
		g.literals = append(g.literals, "http://unitsofmeasure.org")
	case g.names["isDistinct"], g.names["low"]: // few, so that two are the same
		g.literals = append(g.literals, "a", "b")
	}
	return g
}

// implied are the elements that matter where an expression calls a function or names an element.
var implied = map[string]string{
	"resolve": "reference contained id", "rootResource": "reference contained id", "memberOf": "coding code system",
	"low": "value code system", "intersect": "value code system", "children": "snapshot differential", "linkId": "item",
}

// maxDepth bounds what is nested.
const maxDepth = 5

// object makes an instance of typ, of nothing that matters where nothing else came of it.
func (g *generator) object(typ string, depth int) map[string]any {
	table := g.tables.types[typ]
	o := map[string]any{}
	if typ == "Extension" && depth == 0 && g.url != "" {
		o["url"] = g.url
	}
	if typ == "Resource" {
		typ = g.pick("Practitioner", "Patient", "Composition", "MessageHeader", "Observation", "Organization")
		table = g.tables.types[typ]
		o["id"] = g.pick("a", "b")
	}
	if table == nil || depth > maxDepth {
		return nothing()
	}
	if _, ok := table.Properties["resourceType"]; ok {
		o["resourceType"] = typ
	}
	choices := map[string][]string{}
	density := 2 + 3*g.IntN(3) // of ten
	for _, name := range slices.Sorted(maps.Keys(table.Properties)) {
		p := table.Properties[name]
		isURL := typ == "Extension" && name == "url"
		switch {
		case name[0] == '_' || name == "resourceType" || o[name] != nil || !isURL && !g.names[name] && !g.names[p.Choice]:
		case isURL:
			o[name] = g.pick(append(g.literals, "http://example.org")...)
		case p.Choice != "":
			choices[p.Choice] = append(choices[p.Choice], name)
		case g.IntN(10) >= density:
		default:
			g.property(o, name, p, depth)
		}
	}
	for _, choice := range slices.Sorted(maps.Keys(choices)) {
		if g.IntN(10) < density {
			name := g.variant(choice, choices[choice])
			g.property(o, name, table.Properties[name], depth)
		}
	}
	if len(o) == 0 {
		return nothing()
	}
	return o
}

// nothing is an element without anything that a rule looks at.
func nothing() map[string]any {
	return map[string]any{"extension": []any{map[string]any{"url": "http://example.org", "valueCode": "a"}}}
}

// variant picks one of the names that a choice may have: half of the time of a type that the rules here look into.
func (g *generator) variant(choice string, names []string) string {
	if coded := choice + g.pick("CodeableConcept", "Coding", "Code"); g.names["memberOf"] && slices.Contains(names, coded) {
		return coded
	}
	for _, telling := range []string{"CodeableConcept", "Boolean", "DateTime", "Quantity", "Range"} {
		if slices.Contains(names, choice+telling) && g.IntN(3) == 0 {
			return choice + telling
		}
	}
	return g.pick(names...)
}

// property puts a value, or extensions alone, under name.
func (g *generator) property(o map[string]any, name string, p *property, depth int) {
	one := func() any {
		if p.isPrimitive() {
			return g.primitive(p.typ())
		}
		return g.object(p.typ(), depth+1)
	}
	if p.Items == nil {
		if p.isPrimitive() && (g.names["extension"] || g.names["hasValue"]) && g.IntN(3) == 0 {
			o["_"+name] = map[string]any{"extension": []any{g.object("Extension", depth+1)}}
			if g.IntN(2) == 0 {
				return
			}
		}
		o[name] = one()
		return
	}
	var list []any
	for range 1 + g.IntN(3) {
		list = append(list, one())
	}
	o[name] = list
}

// primitive makes a value; types that are code lists are taken for strings.
func (g *generator) primitive(typ string) any {
	switch typ {
	case "boolean":
		return g.IntN(2) == 0
	case "integer", "positiveInt", "unsignedInt":
		return g.IntN(4)
	case "decimal":
		return []float64{0, 1, 2.5, -0.1, 100, 100.5}[g.IntN(6)]
	case "date":
		return g.pick("2024", "2024-05", "2024-05-17", "2024-05-18", "1970-01-01")
	case "dateTime", "instant":
		return g.pick("2024", "2024-05", "2024-05-17", "2024-05-17T10:00:00+10:00", "2024-05-17T01:00:00Z", "2024-05-18T09:30:00.5+09:30", "1970-01-01T00:00:00Z")
	case "xhtml":
		return g.pick(`<div xmlns="http://www.w3.org/1999/xhtml">text</div>`, `<div>text</div>`)
	case "id":
		return g.pick("a", "b", "c")
	}
	if len(g.literals) > 0 && g.IntN(2) == 0 {
		return g.pick(g.literals...)
	}
	if g.names["reference"] && g.IntN(2) == 0 {
		return g.pick("#a", "#b", "#c", "#", "Patient/a")
	}
	return g.pick("a", "b", "A1", "*", "1", "-1", "a.b", "a.c", "a b", "text", "http://example.org/a/_history/1",
		"8003608833357361", "8003608833357362", "8003619900015717", "8003621566684455", "8003639900027009",
		"8003640011000059", "9003600003999997", "8003619900015717@8003621566684455", "MED0000932846", "51824753556",
		"004085616", "12345678", "NO FIXED ADDRESS, Alice Springs", "%")
}

func (g *generator) pick(of ...string) string { return of[g.IntN(len(of))] }

// document makes a whole instance for a rule of typ: of the resource where the rule looks at it, else of the type alone.
func (g *generator) document(typ string, r placedRule) (map[string]any, string) {
	if strings.Contains(r.Expression, "%r") || g.names["resolve"] {
		if resourceType, _, nested := strings.Cut(typ, "."); nested {
			typ = resourceType
		} else if g.tables.types[typ].Properties["resourceType"] == nil {
			typ = "Observation"
			g.names["subject"], g.names["valueQuantity"], g.names["value"], g.names["referenceRange"] = true, true, true, true
		}
	}
	return g.object(typ, 0), typ
}
