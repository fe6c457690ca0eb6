package fhir

import (
	"encoding/json"
	"fmt"
	"log/slog"
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
// Value shows its kind and size, never its content.
type Value struct {
	kind       Kind
	start, end int32
	text       string   // String: decoded; Number and Bool: as written; Array and Object: as written, too
	names      []string // Object: the members' names, in document order
	items      []Value  // Array: elements; Object: the members' values
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
	if v == nil {
		return nil
	}
	for i, n := range v.names {
		if n == name {
			return &v.items[i]
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

// Text returns a string's characters, a number's or boolean's lexical form, and "" for everything else.
func (v *Value) Text() string {
	if v == nil || v.kind == Null || v.kind == Array || v.kind == Object {
		return ""
	}
	return v.text
}

// Items returns the elements of an array, or the values of an object's members in document order.
func (v *Value) Items() []Value {
	if v == nil {
		return nil
	}
	return v.items
}

// Names returns the names of an object's members in document order, in step with Items.
func (v *Value) Names() []string {
	if v == nil {
		return nil
	}
	return v.names
}

// Source returns an object, array, number or boolean as it was written; for a string and null it is "".
func (v *Value) Source() string {
	if v.Kind() == String || v.Kind() == Null {
		return ""
	}
	return v.text
}

// Span returns the half-open range of byte offsets in the parsed document where the value stands.
func (v *Value) Span() (start, end int) { return int(v.start), int(v.end) }

// ResourceType returns the member resourceType of an object, or "".
func (v *Value) ResourceType() string {
	if t := v.Get("resourceType"); t.Kind() == String {
		return t.text
	}
	return ""
}

// Any returns the value in the form of encoding/json: map[string]any, []any, string, json.Number, bool, nil.
func (v *Value) Any() any {
	switch v.Kind() {
	case Object:
		m := make(map[string]any, len(v.items))
		for i := range v.items {
			m[v.names[i]] = v.items[i].Any()
		}
		return m
	case Array:
		a := make([]any, len(v.items))
		for i := range v.items {
			a[i] = v.items[i].Any()
		}
		return a
	case String:
		return v.text
	case Number:
		return json.Number(v.text)
	case Bool:
		return v.text == "true"
	default:
		return nil
	}
}

// Format writes the kind and size whatever the verb, so that no patient data reaches a log or an error by %v.
func (v *Value) Format(f fmt.State, _ rune) {
	if v == nil {
		fmt.Fprint(f, "[absent]")
		return
	}
	fmt.Fprintf(f, "[%s, %d bytes]", v.kind, v.end-v.start)
}

// LogValue is Format for log/slog.
func (v *Value) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(v)) }
