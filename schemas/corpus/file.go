package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
)

// file is what is written for one profile.
type file struct {
	Profile  string
	Instance map[string]any
	Cases    []Case
}

// write writes a line for each case, so that a change of the tables is a readable difference.
func (f file) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var b bytes.Buffer
	line := func(before string, v any) error {
		b.WriteString(before)
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	if err := line(`{"profile":`, f.Profile); err != nil {
		return err
	}
	if err := line(`,"instance":`, f.Instance); err != nil {
		return err
	}
	before := `,"cases":[` + "\n"
	for _, c := range f.Cases {
		if err := line(before, c); err != nil {
			return err
		}
		before = ","
	}
	b.WriteString("]}\n")
	return os.WriteFile(path, b.Bytes(), 0o644)
}
