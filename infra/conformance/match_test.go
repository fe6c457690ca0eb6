package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// values are what the placeholders of a case stand for.
type values map[string]string

var placeholder = regexp.MustCompile(`\{[A-Za-z][A-Za-z0-9]*\}`)

// fill puts the values in the place of their names.
func (v values) fill(text string) (string, error) {
	var unknown []string
	filled := placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := v[name]
		if !ok {
			unknown = append(unknown, name)
		}
		return value
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("nothing before stands for %s", strings.Join(unknown, ", "))
	}
	return filled, nil
}

// matchText tells whether got is what is wanted, and remembers what new names stand for.
func (v values) matchText(want, got string) bool {
	pattern, rest, names := "", want, []string(nil)
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			break
		}
		pattern += regexp.QuoteMeta(rest[:at[0]])
		name := rest[at[0]:at[1]]
		value, known := v[name]
		switch {
		case name == "{any}":
			pattern += `.*`
		case known:
			pattern += regexp.QuoteMeta(value)
		default:
			pattern += `([A-Za-z0-9.\-]+)`
			names = append(names, name)
		}
		rest = rest[at[1]:]
	}
	m := regexp.MustCompile(`(?s)^` + pattern + regexp.QuoteMeta(rest) + `$`).FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, name := range names {
		v[name] = m[i+1]
	}
	return true
}

// match returns where got, of JSON, is not as wanted.
func (v values) match(path string, want, got any) []string {
	differs := func() []string { return []string{fmt.Sprintf("%s: got %s, want %s", path, text(got), text(want))} }
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return differs()
		}
		var all []string
		names := make([]string, 0, len(want))
		for name := range want {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if member, there := object[name]; want[name] != nil || there {
				all = append(all, v.match(path+"."+name, want[name], member)...)
			}
		}
		return all
	case []any:
		items, ok := got.([]any)
		least := len(want)
		if least > 0 && want[least-1] == "..." {
			least--
		}
		if !ok || len(items) < least || least == len(want) && len(items) > least {
			return differs()
		}
		var all []string
		for i := range least {
			all = append(all, v.match(fmt.Sprintf("%s[%d]", path, i), want[i], items[i])...)
		}
		return all
	case string:
		if s, ok := got.(string); !ok || !v.matchText(want, s) {
			return differs()
		}
	default:
		if want != got {
			return differs()
		}
	}
	return nil
}

// decode reads JSON without changing its numbers.
func decode(content []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestMatch: what is wanted and absent, other or too many does not match.
func TestMatch(t *testing.T) {
	for _, test := range []struct {
		want, got string
		matches   bool
	}{
		{`{"a":"x"}`, `{"a":"x","b":1}`, true},
		{`{"a":"x"}`, `{"a":"y"}`, false},
		{`{"a":"x"}`, `{}`, false},
		{`{"a":null}`, `{"b":1}`, true},
		{`{"a":null}`, `{"a":1}`, false},
		{`{"a":1.10}`, `{"a":1.1}`, false},
		{`{"a":[1]}`, `{"a":[1,2]}`, false},
		{`{"a":[1,"..."]}`, `{"a":[1,2]}`, true},
		{`{"a":[1,2,"..."]}`, `{"a":[1]}`, false},
		{`{"a":"Patient/{id}","b":"{id}"}`, `{"a":"Patient/7","b":"7"}`, true},
		{`{"a":"Patient/{id}","b":"{id}"}`, `{"a":"Patient/7","b":"8"}`, false},
		{`{"a":"{id}"}`, `{"a":"7/8"}`, false},
		{`{"a":"{any}"}`, `{"a":"7/8"}`, true},
	} {
		want, err := decode([]byte(test.want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode([]byte(test.got))
		if err != nil {
			t.Fatal(err)
		}
		if diff := (values{}).match("", want, got); (len(diff) == 0) != test.matches {
			t.Errorf("%s against %s: got %v, want a match: %v", test.want, test.got, diff, test.matches)
		}
	}
}
