package bundle

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// bundle checks a Bundle, each entry with its resource, and the referral that it may be.
func (w *walk) bundle(b fhir.Bundle, document *element.Document) {
	at := place{kind: b.Type}
	if b.Type == "batch" {
		at.urls = make(map[string]bool, len(b.Entries))
		for _, entry := range b.Entries {
			if entry.FullURL != "" {
				at.urls[entry.FullURL] = true
			}
		}
	}
	identities := map[string]bool{}
	w.down("entry")
	for i, entry := range b.Entries {
		at.entry, at.scope = i, document.Entry(i)
		w.bundles = append(w.bundles, at)
		w.item(i)
		w.entry(b.Type, entry, identities)
		w.up()
		w.bundles = w.bundles[:len(w.bundles)-1]
	}
	w.up()
	w.referral(b, document)
}

// entry checks one entry of a Bundle of the type kind; identities are those that requests before it write to.
func (w *walk) entry(kind string, entry fhir.Entry, identities map[string]bool) {
	w.fullURL(entry)
	switch kind {
	case "transaction", "batch":
		if entry.Get("request") != nil {
			w.request(kind, entry, identities)
		}
	case "document", "message":
		if entry.FullURL == "" {
			w.fail(own("entry-full-url"), fhir.CodeRequired, "fullUrl", "An entry of a "+kind+" has a fullUrl, by which the others refer to it")
		}
		w.content(kind, entry)
	case "collection":
		w.content(kind, entry)
	}
	if entry.Resource != nil {
		w.at(func() { w.value("resource", entry.Resource) }, "resource")
	}
}

// content holds that an entry which is no request has a resource (bdl-5 with bdl-3 and bdl-4).
func (w *walk) content(kind string, entry fhir.Entry) {
	if entry.Resource == nil {
		w.fail(base("Bundle", "bdl-5"), fhir.CodeRequired, "resource", "An entry of a "+kind+" has a resource")
	}
}

// fullURL checks Bundle.entry.fullUrl (FHIR R4 bundle-definitions.html#Bundle.entry.fullUrl): it is absolute, and
// does not disagree with the resource's id.
func (w *walk) fullURL(entry fhir.Entry) {
	url := entry.FullURL
	switch schemeOf(url) {
	case "":
		if url != "" {
			w.fail(own("full-url-absolute"), fhir.CodeInvariant, "fullUrl",
				"A fullUrl is an absolute URL, or urn:uuid: with a UUID: this one is relative")
		}
	case "urn":
		if !isURN(url) {
			w.fail(own("full-url-urn"), fhir.CodeValue, "fullUrl",
				"A fullUrl that begins with urn: goes on with uuid: and a UUID of 8-4-4-4-12 hexadecimal digits, or with oid: and an OID")
		}
	case "http", "https":
		typ, id := restful(url)
		switch resourceID := entry.Resource.Get("id").Text(); {
		case typ == "" || resourceID == "" || entry.Value.At("request", "method").Text() == "PATCH":
		case typ != entry.Resource.ResourceType() || id != resourceID:
			w.fail(own("full-url-id"), fhir.CodeInvariant, "fullUrl", "The fullUrl ends in another type or id than its resource has")
		}
	}
}

// restful returns the type and id at the end of a URL, or nothing.
func restful(url string) (typ, id string) {
	i := strings.LastIndexByte(url, '/')
	j := strings.LastIndexByte(url[:max(i, 0)], '/')
	if j < 0 || !fhir.IsRelative(url[j+1:]) {
		return "", ""
	}
	return url[j+1 : i], url[i+1:]
}

// isURN tells whether a URN is a UUID, its digits in either case (RFC 9562 §4), or an OID. Of other namespaces
// nothing is known.
func isURN(urn string) bool {
	namespace, value, found := strings.Cut(urn[len("urn:"):], ":")
	switch {
	case !found || value == "":
		return false
	case strings.EqualFold(namespace, "uuid"):
		return isUUID(value)
	case strings.EqualFold(namespace, "oid"):
		return isOID(value)
	}
	return true
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if s[i] != '-' {
				return false
			}
		case (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

func isOID(s string) bool {
	for arc := range strings.SplitSeq(s, ".") {
		if arc == "" || arc[0] == '0' && arc != "0" || strings.Trim(arc, "0123456789") != "" {
			return false
		}
	}
	return strings.IndexByte("012", s[0]) >= 0 && strings.Contains(s, ".")
}

// isHead tells whether the current resource is the one that a document or message is built around.
func (w *walk) isHead() bool {
	at := w.innermost()
	if at == nil || at.entry != 0 {
		return false
	}
	switch w.root.ResourceType() {
	case "Composition":
		return at.kind == "document"
	case "MessageHeader":
		return at.kind == "message"
	default:
		return false
	}
}

// isCompleted tells of an element of that resource whether what it refers to must be in the Bundle: for a Composition
// all but the documents it relates to (FHIR R4 documents.html#content), for a MessageHeader the focus.
func isCompleted(name string) bool {
	switch name {
	case "subject", "encounter", "author", "attester", "custodian", "event", "section", "focus":
		return true
	default:
		return false
	}
}
