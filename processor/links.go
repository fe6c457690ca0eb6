package processor

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// links tells what a text in an entry leads to once everything is stored.
type links struct {
	*fhir.Links
	names       []string          // Type/id as stored, in step with the entries; empty: it is no resource any more
	versions    []string          // likewise, as Type/id/_history/version
	conditional map[string]string // of conditional references
	local       func(reference string) string
}

func (t *transaction) newLinks() *links {
	l := &links{Links: t.links, names: make([]string, len(t.places)), versions: make([]string, len(t.places)), conditional: t.names, local: t.processor.local}
	for i, place := range t.places {
		if place.state != nil {
			l.names[i], l.versions[i] = place.state.name(), place.state.version()
		}
	}
	return l
}

// rename returns the stored name of what a reference, standing in entry from, leads to, its fragment kept; or the
// reference itself, without this server's base. What leads to a version leads to the one that is stored.
func (l *links) rename(from int, reference string) string {
	if name, ok := l.linked(from, reference); ok {
		return name
	}
	if name, ok := l.conditional[reference]; ok {
		return name
	}
	return l.local(reference)
}

// linked is rename for any link to an entry. Unlike a reference, a URL that means something by itself, such as
// Identifier.system, is not made relative.
func (l *links) linked(from int, text string) (string, bool) {
	url, rest := text, ""
	if i := strings.IndexAny(text, "#|"); i >= 0 { // a fragment, or the version of a canonical
		url, rest = text[:i], text[i:]
	}
	url, _, versioned := strings.Cut(url, "/_history/")
	i, ok := l.Entry(from, url)
	switch {
	case !ok || l.names[i] == "":
		return text, ok
	case versioned:
		return l.versions[i] + rest, true
	}
	return l.names[i] + rest, true
}
