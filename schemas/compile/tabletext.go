package compile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// profileText writes a table with a line for each element: compact, and still fit for a diff.
func profileText(p *profile.Profile) ([]byte, error) {
	head := *p
	head.Root = profile.Element{}
	var b bytes.Buffer
	var line bytes.Buffer
	if err := encode(&line, head); err != nil {
		return nil, err
	}
	text, found := strings.CutSuffix(line.String(), `,"root":{}}`)
	if !found {
		return nil, fmt.Errorf("a table ends with its root")
	}
	b.WriteString(text + ",\n\"root\":")
	if err := elementText(&b, &p.Root, ""); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return b.Bytes(), nil
}

func elementText(b *bytes.Buffer, e *profile.Element, indent string) error {
	head := *e
	head.Slices, head.Children = nil, nil
	var line bytes.Buffer
	if err := encode(&line, head); err != nil {
		return err
	}
	b.WriteString(strings.TrimSuffix(line.String(), "}"))
	empty := line.String() == "{}"
	for _, list := range []struct {
		name     string
		elements []profile.Element
	}{{"slices", e.Slices}, {"children", e.Children}} {
		if len(list.elements) == 0 {
			continue
		}
		if !empty {
			b.WriteByte(',')
		}
		empty = false
		fmt.Fprintf(b, "%q:[\n", list.name)
		for i := range list.elements {
			b.WriteString(indent + " ")
			if err := elementText(b, &list.elements[i], indent+" "); err != nil {
				return err
			}
			if i < len(list.elements)-1 {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString(indent + "]")
	}
	b.WriteByte('}')
	return nil
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
