package processor

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// links is the graph of a Bundle: which entry a reference leads to, and what its resource is called once stored.
type links struct {
	entries []fhir.Entry
	byURL   map[string]int // fullUrl → entry
	names   []string       // Type/id as stored, in step with entries
}

func newLinks(bundle fhir.Bundle) *links {
	l := &links{entries: bundle.Entries, byURL: make(map[string]int, len(bundle.Entries)), names: make([]string, len(bundle.Entries))}
	for i, entry := range bundle.Entries {
		if entry.FullURL != "" {
			l.byURL[entry.FullURL] = i
		}
	}
	return l
}

// restfulURL matches a RESTful fullUrl and captures its base (FHIR R4 references.html#literal).
var restfulURL = regexp.MustCompile(`^(https?://.+/)[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}$`)

// entry returns the entry that reference, standing in entry from, leads to (FHIR R4 bundle.html#references).
func (l *links) entry(from int, reference string) (int, bool) {
	if i, ok := l.byURL[reference]; ok {
		return i, true
	}
	if base := restfulURL.FindStringSubmatch(l.entries[from].FullURL); base != nil {
		i, ok := l.byURL[base[1]+reference]
		return i, ok
	}
	return 0, false
}

// rename returns the stored name of what text, standing in entry from, leads to, its fragment kept; or text itself.
func (l *links) rename(from int, text string) string {
	url, fragment, found := strings.Cut(text, "#")
	i, ok := l.entry(from, url)
	if !ok {
		return text
	}
	if found {
		return l.names[i] + "#" + fragment
	}
	return l.names[i]
}

// readers returns, in step with the entries, the organisations that each resource is addressed to: those named by
// a ServiceRequest's performers or a Task's owner read all that the request or task reaches.
func (l *links) readers(sender string) [][]string {
	readers := make([][]string, len(l.entries))
	for i, entry := range l.entries {
		var addressees []*fhir.Value
		switch entry.Resource.ResourceType() {
		case "ServiceRequest":
			performers := entry.Resource.Get("performer").Items()
			for j := range performers {
				addressees = append(addressees, &performers[j])
			}
		case "Task":
			addressees = append(addressees, entry.Resource.Get("owner"))
		}
		for _, addressee := range addressees {
			if org := l.organization(i, addressee, 3); org != "" && org != sender {
				l.address(i, org, readers)
			}
		}
	}
	return readers
}

// address adds org to the readers of entry i and of all that it refers to, directly and indirectly.
func (l *links) address(i int, org string, readers [][]string) {
	if slices.Contains(readers[i], org) {
		return
	}
	readers[i] = append(readers[i], org)
	l.entries[i].Resource.Walk("", func(name, _ string, s *fhir.Value) {
		if !mayLink(name) {
			return
		}
		url, _, _ := strings.Cut(s.Text(), "#")
		if next, ok := l.entry(i, url); ok {
			l.address(next, org, readers)
		}
	})
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

const hpioSystem = "http://ns.electronichealth.net.au/id/hi/hpio/1.0"

var hpioPattern = regexp.MustCompile(`^800362[0-9]{10}$`)

// organization returns the HPI-O of the organisation that a Reference in entry from leads to, at most steps
// references away, or "": an Organization, the one of a PractitionerRole, or the one behind a HealthcareService.
func (l *links) organization(from int, reference *fhir.Value, steps int) string {
	if org := hpio(reference.Get("identifier")); org != "" {
		return org
	}
	i, ok := l.entry(from, reference.Get("reference").Text())
	if !ok || steps == 0 {
		return ""
	}
	resource := l.entries[i].Resource
	switch resource.ResourceType() {
	case "Organization":
		identifiers := resource.Get("identifier").Items()
		for j := range identifiers {
			if org := hpio(&identifiers[j]); org != "" {
				return org
			}
		}
	case "PractitionerRole":
		return l.organization(i, resource.Get("organization"), steps-1)
	case "HealthcareService":
		return l.organization(i, resource.Get("providedBy"), steps-1)
	}
	return ""
}

func hpio(identifier *fhir.Value) string {
	if value := identifier.Get("value").Text(); identifier.Get("system").Text() == hpioSystem && hpioPattern.MatchString(value) {
		return value
	}
	return ""
}

func union(lists [][]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}
