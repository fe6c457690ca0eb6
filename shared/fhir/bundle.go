package fhir

import (
	"strconv"
	"strings"
)

// Bundle is a view of a Bundle resource (FHIR R4 bundle.html) that saw the gate; elements of a wrong type read as
// absent.
type Bundle struct {
	*Value
	Type    string
	Entries []Entry
}

// Entry is one Bundle.entry.
type Entry struct {
	*Value
	FullURL  string
	Resource *Value // nil when absent
}

// AsBundle returns v's view as a Bundle.
func AsBundle(v *Value) Bundle {
	b := Bundle{Value: v, Type: v.Get("type").Text()}
	entries := v.Get("entry").Items()
	b.Entries = make([]Entry, len(entries))
	for i := range entries {
		e := &entries[i]
		b.Entries[i] = Entry{Value: e, FullURL: e.Get("fullUrl").Text(), Resource: e.Get("resource")}
	}
	return b
}

// Expression returns the FHIRPath of entry i, or of what path leads to below it.
func (b Bundle) Expression(i int, path ...string) string {
	return strings.Join(append([]string{"Bundle.entry[" + strconv.Itoa(i) + "]"}, path...), ".")
}

// EntryOf returns the entry that an expression which Expression made leads into; ok is false for any other expression.
func EntryOf(expression string) (i int, ok bool) {
	rest, found := strings.CutPrefix(expression, "Bundle.entry[")
	number, _, closed := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	return i, found && closed && err == nil
}

// Strings calls visit for every string below v with its element's name. Elements of an array share a name.
func (v *Value) Strings(visit func(name string, s *Value)) {
	if v.Kind() != Object {
		return
	}
	for i := range v.items {
		v.items[i].strings(v.items[i].Name(), visit)
	}
}

func (v *Value) strings(name string, visit func(name string, s *Value)) {
	switch v.kind {
	case String:
		visit(name, v)
	case Object:
		v.Strings(visit)
	case Array:
		for i := range v.items {
			v.items[i].strings(name, visit)
		}
	default: // no string
	}
}

// Walk calls visit for every string below v with its element's name and FHIRPath. Elements of an array share a name.
func (v *Value) Walk(path string, visit func(name, path string, s *Value)) {
	if v.Kind() != Object {
		return
	}
	for i := range v.items {
		name := v.items[i].Name()
		v.items[i].walk(name, path+"."+strings.TrimPrefix(name, "_"), visit)
	}
}

func (v *Value) walk(name, path string, visit func(name, path string, s *Value)) {
	switch v.kind {
	case String:
		visit(name, path, v)
	case Object:
		v.Walk(path, visit)
	case Array:
		for i := range v.items {
			v.items[i].walk(name, path+"["+strconv.Itoa(i)+"]", visit)
		}
	default: // no string
	}
}
