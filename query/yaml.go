package query

import (
	"regexp"
	"strconv"
)

// yamlMap is a mapping of YAML 1.2 in the order in which it is written.
type yamlMap []yamlField

// yamlField has a string, bool, []string, yamlMap or []yamlMap.
type yamlField struct {
	name  string
	value any
}

// plainName needs no quotes, and is no word of YAML's own.
var plainName = regexp.MustCompile(`^[A-Za-z]{5,}$|^(get|put|post|in|info|name|url)$|^/`)

// append appends the lines of m, each after indent. A string in double quotes is the same in YAML as in JSON.
func (m yamlMap) append(b []byte, indent string) []byte {
	for _, f := range m {
		b = append(b, indent...)
		if plainName.MatchString(f.name) {
			b = append(b, f.name...)
		} else {
			b = strconv.AppendQuote(b, f.name)
		}
		b = append(b, ':')
		switch value := f.value.(type) {
		case string:
			b = append(strconv.AppendQuote(append(b, ' '), value), '\n')
		case bool:
			b = append(strconv.AppendBool(append(b, ' '), value), '\n')
		case []string:
			b = append(b, '\n')
			for _, item := range value {
				b = append(strconv.AppendQuote(append(append(b, indent...), "  - "...), item), '\n')
			}
		case yamlMap:
			if len(value) == 0 {
				b = append(b, " {}\n"...)
				continue
			}
			b = value.append(append(b, '\n'), indent+"  ")
		case []yamlMap:
			if len(value) == 0 {
				b = append(b, " []\n"...)
				continue
			}
			b = append(b, '\n')
			for _, item := range value {
				start := len(b) + len(indent) + 2
				b = item.append(b, indent+"    ")
				b[start] = '-'
			}
		default:
			panic("query: no YAML for a field of " + f.name)
		}
	}
	return b
}
