package fhir

import "strings"

// Target is what the URL of a RESTful request names, below the server's base (FHIR R4 http.html#general):
// Type, Type?query, Type/id or Type/id/_history/version.
type Target struct {
	Type, ID, Version string
	Query             string // behind the question mark, percent-encoded
	Conditional       bool   // whether there was a question mark
}

// ParseTarget reads a URL relative to the server's base; one slash before it is no matter, as in the standard's own
// examples. ok is false for any other form, operations and _search among them.
func ParseTarget(url string) (t Target, ok bool) {
	path, query, conditional := strings.Cut(strings.TrimPrefix(url, "/"), "?")
	t = Target{Query: query, Conditional: conditional}
	parts := strings.Split(path, "/")
	t.Type = parts[0]
	switch len(parts) {
	case 1:
		return t, IsRelative(t.Type + "/1")
	case 2:
		t.ID = parts[1]
	case 4:
		t.ID, t.Version = parts[1], parts[3]
		if parts[2] != "_history" || !IsRelative("A/"+t.Version) {
			return Target{}, false
		}
	default:
		return Target{}, false
	}
	return t, IsRelative(t.Type + "/" + t.ID)
}
