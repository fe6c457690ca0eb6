package fhir

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Limits bound what Parse accepts. A zero field takes the value named beside it.
type Limits struct {
	Depth  int  // levels of nesting: 64
	Nodes  int  // values in the document: 200,000
	Names  int  // members of one object: 1,000
	String int  // bytes of a string that is not base64: 1 MiB (FHIR R4 datatypes.html#string)
	Number int  // characters of a number: 64
	Root   Kind // of the top level, Object or Array: Object
}

const (
	maxNameBytes = 128 // the longest element name of R4 has fewer than 60
	maxExponent  = 400 // beyond a float64, and still nothing to expand
)

func (l Limits) orDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.Depth, 64)
	set(&l.Nodes, 200_000)
	set(&l.Names, 1_000)
	set(&l.String, 1<<20)
	set(&l.Number, 64)
	if l.Root == Null {
		l.Root = Object
	}
	return l
}

// Parse is the strict gate before anything reads a document. It accepts RFC 8259 JSON in UTF-8 whose top level is
// an object, or the array of a JSON Patch where l says so, and FHIR's representation of it (FHIR R4 json.html): no duplicate names, no lone surrogates, no
// U+0000 and no other control characters but tab, LF and CR, no empty strings, arrays or objects, null only beside
// a sibling that stands in for it, within l. encoding/json accepts nearly all of that silently.
//
// Errors are *Error with code structure, invalid, value, too-long or too-costly, the expression of the nearest
// element and the line and column in the details. The expression is made of names that R4 knows: it ends before any
// other, and root stands for the resource type while that is unknown.
// Time and memory are linear in len(data); the Value keeps one copy of data.
func Parse(data []byte, root string, l Limits) (*Value, error) {
	p := &parser{src: string(data), root: root, limits: l.orDefaults()}
	p.doc = &document{&text{source: p.src}}
	v, err := p.document()
	if err != nil {
		return nil, err
	}
	return v, nil
}

type parser struct {
	src      string
	pos      int
	root     string
	typeName string // the document's resourceType as it stands there, or empty
	limits   Limits
	nodes    int
	path     []step
	values   []Value // children of the open arrays and objects, innermost last
	block    []Value // where those of the closed ones go
	doc      *document
}

func (p *parser) document() (*Value, error) {
	p.space()
	switch {
	case p.pos == len(p.src):
	case p.limits.Root == Array && p.src[p.pos] != '[':
		return nil, p.fail(CodeStructure, "A JSON array in UTF-8 without a byte order mark is expected")
	case p.limits.Root == Object && p.src[p.pos] != '{':
		return nil, p.fail(CodeStructure, "A FHIR resource is a JSON object in UTF-8 without a byte order mark")
	}
	v, err := p.value(Value{})
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.src) {
		return nil, p.fail(CodeStructure, "Unexpected characters after the end of the document")
	}
	return &v, nil
}

func (p *parser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// value reads what v has only the name of so far. It is handed on by value, which keeps it on the stack.
func (p *parser) value(v Value) (Value, error) {
	if p.nodes++; p.nodes > p.limits.Nodes {
		return v, p.fail(CodeTooCostly, fmt.Sprintf("The document has more than %d values", p.limits.Nodes))
	}
	if p.pos == len(p.src) {
		return v, p.fail(CodeStructure, "The document ends too early")
	}
	v.document, v.start = p.doc, int32(p.pos)
	var err error
	switch c := p.src[p.pos]; {
	case c == '{':
		v.kind = Object
		v.items, err = p.object()
	case c == '[':
		v.kind = Array
		v.items, err = p.array()
	case c == '"':
		v.kind = String
		var text string
		text, v.escaped, err = p.string()
		if err == nil && text == "" {
			err = p.fail(CodeValue, "A string must not be empty")
		}
	case c == '-' || '0' <= c && c <= '9':
		v.kind = Number
		err = p.number()
	case strings.HasPrefix(p.src[p.pos:], "true"):
		v.kind = Bool
		p.pos += 4
	case strings.HasPrefix(p.src[p.pos:], "false"):
		v.kind = Bool
		p.pos += 5
	case strings.HasPrefix(p.src[p.pos:], "null"):
		p.pos += 4
	default:
		err = p.fail(CodeStructure, "Not JSON: a value is expected here")
	}
	v.end = int32(p.pos)
	return v, err
}

func (p *parser) open() error {
	if len(p.path) == p.limits.Depth {
		return p.fail(CodeTooCostly, fmt.Sprintf("More than %d levels of nesting", p.limits.Depth))
	}
	p.pos++
	p.path = append(p.path, step{index: -1})
	p.space()
	return nil
}

func (p *parser) object() ([]Value, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	first := len(p.values)
	if p.next('}') {
		return nil, p.fail(CodeValue, "An object must not be empty")
	}
	var seen map[string]bool // only for objects with many members
	for {
		at := p.pos
		if p.pos == len(p.src) || p.src[p.pos] != '"' {
			return nil, p.fail(CodeStructure, "Not JSON: a name in double quotes is expected here")
		}
		name, escaped, err := p.string()
		if err != nil {
			return nil, err
		}
		own := p.values[first:]
		if err := p.checkName(name, at, len(own)); err != nil {
			return nil, err
		}
		if len(own) == 16 {
			seen = make(map[string]bool, 64)
			for i := range own {
				seen[own[i].Name()] = true
			}
		}
		if seen != nil && seen[name] || seen == nil && find(own, name) != nil {
			p.pos = at
			return nil, p.fail(CodeStructure, "A name stands twice in one object")
		}
		if seen != nil {
			seen[name] = true
		}
		p.path[len(p.path)-1].name = name
		p.space()
		if !p.next(':') {
			return nil, p.fail(CodeStructure, "Not JSON: a colon is expected here")
		}
		p.space()
		member := Value{nameStart: int32(at), nameEscaped: escaped}
		if !escaped {
			member.nameLength = uint8(len(name)) // at most maxNameBytes
		}
		child, err := p.value(member)
		if err != nil {
			return nil, err
		}
		if child.kind == Null {
			p.pos = int(child.start)
			return nil, p.fail(CodeValue, "A property must not be null; leave it out")
		}
		if name == "resourceType" && len(p.path) == 1 {
			p.typeName = child.Text()
		}
		p.push(child)
		p.space()
		if p.next(',') {
			p.space()
			continue
		}
		if p.next('}') {
			break
		}
		return nil, p.fail(CodeStructure, "Not JSON: a comma or a closing brace is expected here")
	}
	items := p.take(first)
	if err := p.pairs(items); err != nil {
		return nil, err
	}
	p.path = p.path[:len(p.path)-1]
	return items, nil
}

func (p *parser) checkName(name string, at, others int) error {
	switch {
	case name == "" || len(name) > maxNameBytes:
		p.pos = at
		return p.fail(CodeStructure, "The name of a property is empty or too long")
	case others == p.limits.Names:
		p.pos = at
		return p.fail(CodeTooCostly, fmt.Sprintf("An object has more than %d properties", p.limits.Names))
	}
	return nil
}

// push puts v on the stack of values, which doubles when it is full: append would leave several times as much behind.
func (p *parser) push(v Value) {
	if len(p.values) == cap(p.values) {
		p.values = slices.Grow(p.values, max(64, len(p.values)))
	}
	p.values = append(p.values, v)
}

// take returns the values on the stack from index first and takes them off. They move to a block that they share with
// others of the document: most arrays and objects are too small for one of their own.
func (p *parser) take(first int) []Value {
	taken := p.values[first:]
	if len(taken) > cap(p.block)-len(p.block) {
		p.block = make([]Value, 0, max(len(taken), min(len(p.src)/64, maxBlock)))
	}
	at := len(p.block)
	p.block = append(p.block, taken...)
	p.values = p.values[:first]
	return p.block[at:len(p.block):len(p.block)]
}

// maxBlock is how many values share a block at the most, so that little of the last one is left over.
const maxBlock = 256

func (p *parser) array() ([]Value, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	first := len(p.values)
	if p.next(']') {
		return nil, p.fail(CodeValue, "An array must not be empty")
	}
	for i := 0; ; i++ {
		p.path[len(p.path)-1] = step{index: i}
		child, err := p.value(Value{})
		if err != nil {
			return nil, err
		}
		p.push(child)
		p.space()
		if p.next(',') {
			p.space()
			continue
		}
		if p.next(']') {
			break
		}
		return nil, p.fail(CodeStructure, "Not JSON: a comma or a closing bracket is expected here")
	}
	items := p.take(first)
	p.path = p.path[:len(p.path)-1]
	return items, nil
}

// pairs checks the arrays of an object that stand beside a sibling, name and _name (FHIR R4 json.html#primitive):
// both have the same length, and where one has null the other has not. An array with null has a sibling.
func (p *parser) pairs(members []Value) error {
	for i := range members {
		a := &members[i]
		if a.kind != Array {
			continue
		}
		name := a.Name()
		sibling, isExtension := "_"+name, false
		if name[0] == '_' {
			sibling, isExtension = name[1:], true
		}
		if !isExtension && !hasNull(a) {
			continue // if there is a _name, it checks the pair
		}
		b := find(members, sibling)
		at := p.path[len(p.path)-1]
		if b != nil && b.kind == Array && len(a.items) != len(b.items) {
			p.path[len(p.path)-1], p.pos = step{name: name}, int(a.start)
			return p.fail(CodeStructure, "An array and the array of its extensions differ in length")
		}
		for j := range a.items {
			if a.items[j].kind == Null && (b.Kind() != Array || b.items[j].kind == Null) {
				p.path[len(p.path)-1], p.pos = step{name: name}, int(a.items[j].start)
				p.path = append(p.path, step{index: j})
				return p.fail(CodeValue, "null stands only in an array whose sibling has a value at that place")
			}
		}
		p.path[len(p.path)-1] = at
	}
	return nil
}

func hasNull(a *Value) bool {
	for i := range a.items {
		if a.items[i].kind == Null {
			return true
		}
	}
	return false
}

func (p *parser) next(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) number() error {
	start := p.pos
	p.next('-')
	if !p.next('0') && p.digits() == 0 {
		return p.fail(CodeStructure, "Not JSON: a digit is expected here")
	}
	if p.next('.') && p.digits() == 0 {
		return p.fail(CodeStructure, "Not JSON: a digit is expected here")
	}
	exponent := 0
	if p.next('e') || p.next('E') {
		if !p.next('+') {
			p.next('-')
		}
		at := p.pos
		if p.digits() == 0 {
			return p.fail(CodeStructure, "Not JSON: a digit is expected here")
		}
		var err error
		if exponent, err = strconv.Atoi(p.src[at:p.pos]); err != nil {
			exponent = maxExponent + 1
		}
	}
	if p.pos < len(p.src) && strings.IndexByte(" \t\r\n,]}", p.src[p.pos]) < 0 {
		return p.fail(CodeStructure, "Not JSON: the number ends in an unexpected character")
	}
	if p.pos-start > p.limits.Number || exponent > maxExponent {
		p.pos = start
		return p.fail(CodeValue, fmt.Sprintf("A number has at most %d characters and an exponent of at most %d",
			p.limits.Number, maxExponent))
	}
	return nil
}

func (p *parser) digits() int {
	start := p.pos
	for p.pos < len(p.src) && '0' <= p.src[p.pos] && p.src[p.pos] <= '9' {
		p.pos++
	}
	return p.pos - start
}

// fail returns an error of code at the parser's place.
func (p *parser) fail(code Code, details string) *Error {
	at := Position{}.moved(p.src, min(p.pos, len(p.src)))
	return NewError(code, p.expression(), fmt.Sprintf("%s (%v)", details, at))
}
