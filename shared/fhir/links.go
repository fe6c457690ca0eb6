package fhir

import "strings"

// Links tells which entry of a Bundle a reference leads to (FHIR R4 bundle.html#references). It is made in time
// linear in the Bundle, never changes, and is safe for concurrent use.
type Links struct {
	byURL map[string]int // fullUrl → entry
	bases []string       // of RESTful fullUrls, up to and with the slash before Type/id; else empty
}

// Links returns the links of b. Entries of a batch do not know each other (FHIR R4 http.html#brules): there no
// reference leads anywhere.
func (b Bundle) Links() *Links {
	l := &Links{byURL: make(map[string]int, len(b.Entries)), bases: make([]string, len(b.Entries))}
	if b.Type == "batch" {
		return l
	}
	for i, entry := range b.Entries {
		if entry.FullURL != "" {
			l.byURL[entry.FullURL] = i
			l.bases[i] = restfulBase(entry.FullURL)
		}
	}
	return l
}

// Entry returns the entry that reference, standing in entry from, leads to. A fragment is no part of reference.
func (l *Links) Entry(from int, reference string) (int, bool) {
	if i, ok := l.byURL[reference]; ok {
		return i, true
	}
	if l.bases[from] == "" || !IsRelative(reference) {
		return 0, false
	}
	i, ok := l.byURL[l.bases[from]+reference]
	return i, ok
}

// maxURL bounds what is put before every relative reference of an entry to look it up.
const maxURL = 2 << 10

// restfulBase returns what stands before Type/id in an http or https URL of at most maxURL bytes, or "".
func restfulBase(url string) string {
	if len(url) > maxURL || !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return ""
	}
	i := strings.LastIndexByte(url, '/')
	j := strings.LastIndexByte(url[:i], '/')
	if j < 0 || !IsRelative(url[j+1:]) {
		return ""
	}
	return url[:j+1]
}

// IsRelative tells whether a reference has the form Type/id (FHIR R4 references.html#literal).
func IsRelative(reference string) bool {
	resourceType, id, found := strings.Cut(reference, "/")
	if !found || resourceType == "" || len(resourceType) > 40 || id == "" || len(id) > 64 || resourceType[0] < 'A' || resourceType[0] > 'Z' {
		return false
	}
	for i := range len(resourceType) {
		if !isLetter(resourceType[i]) {
			return false
		}
	}
	for i := range len(id) {
		if c := id[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// MayLink tells whether a string in an element called name may lead to another resource: Reference.reference, and every
// element of type uri, url, canonical, oid or uuid (FHIR R4 http.html#trules). ElementDefinition.type.code is the one left
// out, since any other code is none. What says what it means itself, such as Identifier.value, is none either, though it
// may look alike.
func MayLink(name string) bool {
	switch name {
	case
		"address", "answerValueSet", "authority", "authorizationUrl", "base", "baseDefinition", "capabilities",
		"compartment", "contentReference", "defaultValueCanonical", "defaultValueOid", "defaultValueUri",
		"defaultValueUrl", "defaultValueUuid", "definition", "definitionCanonical", "definitionUri", "derivedFrom",
		"derivedFromUri", "detail", "endpoint", "eventUri", "exampleCanonical", "fixedCanonical", "fixedOid", "fixedUri",
		"fixedUrl", "fixedUuid", "fullUrl", "graph", "identifier", "implementationGuide", "implicitRules", "import",
		"imports", "inputProfile", "instantiates", "instantiatesCanonical", "instantiatesUri", "issuer", "jurisdiction",
		"library", "link", "location", "measure", "message", "moduleCanonical", "moduleUri", "nameUrl",
		"onlineInformation", "outputProfile", "parent", "partOf", "patternCanonical", "patternOid", "patternUri",
		"patternUrl", "patternUuid", "policy", "profile", "property", "protocol", "questionnaire", "reference",
		"relativePath", "rendering", "replaces", "resource", "source", "sourceCanonical", "sourceUri", "supplements",
		"supportedProfile", "system", "target", "targetCanonical", "targetProfile", "targetUri", "transform", "type",
		"uri", "url", "valueCanonical", "valueOid", "valueSet", "valueUri", "valueUrl", "valueUuid", "workflow":
		return true
	}
	return false
}
