package fhir

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Kind is the JSON type of a Value.
type Kind uint8

// The JSON types. Null stands only inside arrays of primitives (FHIR R4 json.html#primitive).
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String names the kind as JSON does.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[k]
}

// Value is one JSON value of a document that passed Parse: an ordered tree over the bytes as received, so that a
// number keeps its lexical form and an element its place. It is never changed after Parse and safe for concurrent
// use. The zero-cost way to ask for what may be absent is a nil *Value, on which every method works. Formatting a
// Value shows its kind and size, never its content; encoding it as JSON fails.
//
// A document may hold 200,000 of them, so they are small. Their text is two pointers away, where package fmt does not
// follow even from an unexported field, on which it cannot call Format.
type Value struct {
	document   *document
	items      []Value // Array: elements; Object: the members' values
	start, end int32   // where it stands in the source
	nameStart  int32   // of a member: where its name's opening quote stands
	nameLength uint8   // of a member: bytes of its name in the source, without quotes
	kind       Kind
	// Whether the source writes the name or the string with escapes: then it is among the document's decoded texts.
	nameEscaped, escaped bool
}

// document is what the values of one document share.
type document struct{ *text }

type text struct {
	source  string
	decoded []decoded // in the order of the source
}

// decoded is a string or name that the source writes with escapes.
type decoded struct {
	start      int32 // where its opening quote stands
	characters string
}

// unescaped returns the decoded text of the string whose opening quote stands at start.
func (d *document) unescaped(start int32) string {
	i, _ := slices.BinarySearchFunc(d.decoded, start, func(e decoded, start int32) int { return cmp.Compare(e.start, start) })
	return d.decoded[i].characters
}

// Kind returns the JSON type; Null for nil.
func (v *Value) Kind() Kind {
	if v == nil {
		return Null
	}
	return v.kind
}

// Get returns the member called name, or nil.
func (v *Value) Get(name string) *Value {
	if v.Kind() != Object {
		return nil
	}
	return find(v.items, name)
}

func find(members []Value, name string) *Value {
	for i := range members {
		if members[i].named(name) {
			return &members[i]
		}
	}
	return nil
}

// At returns what path leads to: member names, one step each, an array standing for its first element; or nil.
func (v *Value) At(path ...string) *Value {
	for _, name := range path {
		if v.Kind() == Array {
			v = &v.items[0]
		}
		v = v.Get(name)
	}
	return v
}

// Name returns the name of an object's member, and "" for everything else.
func (v *Value) Name() string {
	switch {
	case v == nil || v.document == nil:
		return ""
	case v.nameEscaped:
		return v.document.unescaped(v.nameStart)
	case v.nameLength == 0:
		return ""
	}
	from := int(v.nameStart) + 1
	return v.document.source[from : from+int(v.nameLength)]
}

func (v *Value) named(name string) bool {
	return (v.nameEscaped || int(v.nameLength) == len(name)) && v.Name() == name
}

// Text returns a string's characters, a number's or boolean's lexical form, and "" for everything else.
func (v *Value) Text() string {
	switch v.Kind() {
	case String:
		if v.escaped {
			return v.document.unescaped(v.start)
		}
		return v.document.source[v.start+1 : v.end-1]
	case Number, Bool:
		return v.document.source[v.start:v.end]
	default:
		return ""
	}
}

// Items returns the elements of an array, or the values of an object's members in document order.
func (v *Value) Items() []Value {
	if v == nil {
		return nil
	}
	return v.items
}

// ResourceType returns the member resourceType of an object, or "".
func (v *Value) ResourceType() string {
	if t := v.Get("resourceType"); t.Kind() == String {
		return t.Text()
	}
	return ""
}

// Any returns the value in the form of encoding/json: map[string]any, []any, string, json.Number, bool, nil.
func (v *Value) Any() any {
	switch v.Kind() {
	case Object:
		m := make(map[string]any, len(v.items))
		for i := range v.items {
			m[v.items[i].Name()] = v.items[i].Any()
		}
		return m
	case Array:
		a := make([]any, len(v.items))
		for i := range v.items {
			a[i] = v.items[i].Any()
		}
		return a
	case String:
		return v.Text()
	case Number:
		return json.Number(v.Text())
	case Bool:
		return v.Text() == "true"
	default:
		return nil
	}
}

// Format writes the kind and size whatever the verb, so that no patient data reaches a log or an error by %v.
func (v Value) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "[%s, %d bytes]", v.kind, v.end-v.start)
}

// LogValue is Format for log/slog.
func (v *Value) LogValue() slog.Value {
	if v == nil {
		return slog.StringValue("[absent]")
	}
	return slog.StringValue(fmt.Sprint(v))
}

// MarshalJSON fails: a log must not hold the content, and a document without it must not pass for one.
func (v Value) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a Value is written with Members or Any")
}
