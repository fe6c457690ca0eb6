package compile

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// schema is a JSON object whose members keep their order: that of the StructureDefinition.
type schema []field

type field struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (s schema) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encode(&b, f.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encode(&b, f.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is json.Marshal without its escapes for HTML, which patterns do not need.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1)
	return nil
}

// lines writes s with one line for each type and each property: compact, and still fit for a diff.
func lines(b *bytes.Buffer, s schema, indent string) error {
	b.WriteString("{\n")
	for i, f := range s {
		fmt.Fprintf(b, "%s %q: ", indent, f.name)
		var err error
		if nested, ok := f.value.(schema); ok && (f.name == "definitions" || f.name == "properties" || isType(nested)) {
			err = lines(b, nested, indent+" ")
		} else {
			err = encode(b, f.value)
		}
		if err != nil {
			return err
		}
		if i < len(s)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString(indent + "}")
	return nil
}

func isType(s schema) bool {
	for _, f := range s {
		if f.name == "properties" {
			return true
		}
	}
	return false
}

// text returns s as the content of a file.
func (s schema) text() ([]byte, error) {
	var b bytes.Buffer
	if err := lines(&b, s, ""); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
