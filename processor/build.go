package processor

import (
	"regexp"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// build makes the resources of the settlement and its summary out of the body. An *fhir.Error rejects it.
func (s *settlement) build(keys *referral.Keys) error {
	document, err := fhir.Parse(s.body, "Bundle", fhir.Limits{})
	if err != nil {
		return err
	}
	bundle := fhir.AsBundle(document)
	if len(bundle.Entries) > postgres.MaxResources {
		return fhir.NewError(fhir.CodeTooCostly, "Bundle.entry", "The Bundle has more entries than one submission may")
	}
	ids, names := make([]referral.UUID, len(bundle.Entries)), make([]string, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		if entry.Resource.ResourceType() == "" {
			return fhir.NewError(fhir.CodeRequired, bundle.Expression(i, "resource"), "The entry has no resource")
		}
		ids[i] = keys.ResourceID(s.Org, s.Digest, s.AcceptedAt, i)
		names[i] = entry.Resource.ResourceType() + "/" + ids[i].String()
	}
	l := newLinks(bundle, names)
	addressees, err := referral.Addressees(bundle, l.Links)
	if err != nil {
		return err
	}
	readers := l.readers(addressees, s.Org)
	s.Resources = make([]postgres.Resource, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		rename := func(text string) string { return l.rename(i, text) }
		replace := func(name, text string) (string, bool) { return replaceLink(name, text, rename) }
		slices.Sort(readers[i]) // the same at every delivery
		s.Resources[i] = postgres.Resource{
			ID: ids[i], Type: entry.Resource.ResourceType(), Readers: readers[i],
			Meta:    entry.Resource.Get("meta").Members(replace, "versionId", "_versionId", "lastUpdated", "_lastUpdated"),
			Content: entry.Resource.Members(replace, "resourceType", "id", "_id", "meta"),
			Keys:    search.Index(entry.Resource, rename),
		}
	}
	s.Readers = union(readers)
	s.summarize(bundle, l)
	return nil
}

func union(lists [][]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// replaceLink gives a string of a stored resource: a link to an entry of the Bundle becomes one to the resource
// that it became (FHIR R4 http.html#trules), in every element that may link and in the attributes of a narrative.
func replaceLink(name, text string, rename func(string) string) (string, bool) {
	renamed := text
	switch {
	case name == "div":
		renamed = narrativeLink.ReplaceAllStringFunc(text, func(attribute string) string {
			i := strings.IndexAny(attribute, `"'`)
			return attribute[:i+1] + rename(attribute[i+1:len(attribute)-1]) + attribute[len(attribute)-1:]
		})
	case mayLink(name):
		renamed = rename(text)
	}
	return renamed, renamed != text
}

// narrativeLink matches href="…" and src='…'.
var narrativeLink = regexp.MustCompile(`\b(?:href|src)\s*=\s*(?:"[^"]*"|'[^']*')`)
