package processor

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// links is the graph of a Bundle: which entry a text leads to, and what its resource is called once it is stored.
type links struct {
	*fhir.Links
	names []string // Type/id as stored, in step with the entries
	next  [][]int  // the entries that each one refers to
}

func newLinks(bundle fhir.Bundle, names []string) *links {
	l := &links{Links: bundle.Links(), names: names, next: make([][]int, len(bundle.Entries))}
	for i, entry := range bundle.Entries {
		seen := map[int]bool{}
		entry.Resource.Strings(func(name string, s *fhir.Value) {
			if !mayLink(name) {
				return
			}
			url, _, _ := strings.Cut(s.Text(), "#")
			if to, ok := l.Entry(i, url); ok && !seen[to] {
				seen[to] = true
				l.next[i] = append(l.next[i], to)
			}
		})
	}
	return l
}

// mayLink tells whether the text of a string element may lead to another resource: a Reference, an Attachment's url
// and so on, but not what says what it means itself, such as Identifier.value, though it may look alike.
func mayLink(name string) bool {
	switch name {
	case "value", "display", "text", "div", "data":
		return false
	}
	return true
}

// rename returns the stored name of what text, standing in entry from, leads to, its fragment kept; or text itself.
func (l *links) rename(from int, text string) string {
	url, fragment, found := strings.Cut(text, "#")
	i, ok := l.Entry(from, url)
	if !ok {
		return text
	}
	if found {
		return l.names[i] + "#" + fragment
	}
	return l.names[i]
}

// readers returns, in step with the entries, the organisations other than the sender that may read each resource:
// an addressee reads what is addressed to it and all that this reaches. Each organisation visits an entry once.
func (l *links) readers(addressees [][]string, sender string) [][]string {
	starts := map[string][]int{}
	for i, orgs := range addressees {
		for _, org := range orgs {
			if org != sender {
				starts[org] = append(starts[org], i)
			}
		}
	}
	readers := make([][]string, len(addressees))
	for org, entries := range starts {
		for _, i := range l.reached(entries) {
			readers[i] = append(readers[i], org)
		}
	}
	return readers
}

// reached returns the given entries and those that they refer to, directly and indirectly, each once.
func (l *links) reached(entries []int) []int {
	seen, queue := make([]bool, len(l.next)), []int(nil)
	visit := func(i int) {
		if !seen[i] {
			seen[i] = true
			queue = append(queue, i)
		}
	}
	for _, i := range entries {
		visit(i)
	}
	for at := 0; at < len(queue); at++ {
		for _, i := range l.next[queue[at]] {
			visit(i)
		}
	}
	return queue
}
