package bundle

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// isReference tells whether v, called name, is a Reference and not another type with an element called reference.
func isReference(name string, v *fhir.Value) bool {
	if v.Get("reference").Kind() != fhir.String || name == "education" {
		return false // Immunization.education.reference is a uri
	}
	items := v.Items()
	for i := range items {
		switch strings.TrimPrefix(items[i].Name(), "_") {
		case "id", "extension", "reference", "type", "identifier", "display":
		default:
			return false
		}
	}
	return true
}

// reference checks where a Reference leads (FHIR R4 references.html, bundle.html#references).
func (w *walk) reference(v *fhir.Value) {
	text := v.Get("reference").Text()
	switch kind := kindOf(text); kind {
	case contained:
		if id := text[1:]; id != "" && w.contained[id] == nil {
			w.fail(base("Reference", "ref-1"), fhir.CodeNotFound, "", "Nothing with this id is contained in the resource")
		}
	case malformed:
		w.fail(own("reference-form"), fhir.CodeValue, "reference",
			"A reference is written as type and id (Patient/1), as a URL, as urn:uuid: with a UUID, or as # with the id of a contained resource")
	case conditional:
		if b := w.innermost(); b != nil && b.kind != "transaction" {
			w.fail(own("conditional-reference"), fhir.CodeValue, "reference",
				"A reference by search criteria is resolved in a transaction only, and this is a Bundle of another type")
		}
	default:
		w.literal(v, text, kind)
	}
}

// literal checks a reference that another resource must have as its URL.
func (w *walk) literal(v *fhir.Value, text string, kind referenceKind) {
	target := w.resolve(text)
	if !strings.Contains(text, "#") {
		w.targetType(v, target, text, kind)
	}
	if target != nil {
		return
	}
	batch := w.innermost()
	url, _, _ := strings.Cut(text, "#")
	switch {
	case batch != nil && batch.urls[url]:
		w.fail(own("batch-independent"), fhir.CodeNotFound, "reference", "Entries of a batch do not refer to each other; send a transaction")
	case kind == urn:
		w.fail(own("reference-resolves"), fhir.CodeNotFound, "reference", "No entry of the Bundle has this fullUrl")
	case w.complete && w.root.ResourceType() == "MessageHeader":
		w.fail(own("message-complete"), fhir.CodeNotFound, "reference",
			"What a message is about (MessageHeader.focus) must be an entry of the Bundle, and no entry has this fullUrl")
	case w.complete:
		w.fail(own("document-complete"), fhir.CodeNotFound, "reference",
			"What a Composition refers to must be an entry of the document, and no entry has this fullUrl")
	}
}

// targetType holds that Reference.type, where it stands, is the target's (FHIR R4 references-definitions.html#type).
func (w *walk) targetType(v, target *fhir.Value, text string, kind referenceKind) {
	claimed := v.Get("type").Text()
	if claimed == "" {
		return
	}
	claimed = strings.TrimPrefix(claimed, "http://hl7.org/fhir/StructureDefinition/")
	is := target.ResourceType()
	if is == "" && kind == relative {
		is, _, _ = strings.Cut(text, "/")
	}
	if is != "" && is != claimed {
		w.fail(own("reference-type"), fhir.CodeValue, "type", "The reference leads to a resource of another type than its type says")
	}
}

// resolve returns the entry's resource that a reference leads to, in the innermost Bundle that knows it, or nil. What
// an entry contains is not looked for: nothing outside of it may refer to that (FHIR R4 references.html#contained).
func (w *walk) resolve(reference string) *fhir.Value {
	reference, _, _ = strings.Cut(reference, "#")
	for i := len(w.bundles) - 1; i >= 0; i-- {
		if target, _ := w.bundles[i].scope.Resolve(reference); target != nil {
			return target
		}
	}
	return nil
}

// innermost returns the entry that the current value is in, or nil outside a Bundle.
func (w *walk) innermost() *place {
	if len(w.bundles) == 0 {
		return nil
	}
	return &w.bundles[len(w.bundles)-1]
}

// referenceKind is how a reference says where it leads.
type referenceKind int

const (
	malformed   referenceKind = iota
	contained                 // #id
	urn                       // urn:uuid:…
	absolute                  // https://a.example/fhir/Patient/1
	relative                  // Patient/1, Patient/1/_history/2
	conditional               // Patient?identifier=…
)

func kindOf(reference string) referenceKind {
	path, _, _ := strings.Cut(reference, "#")
	switch scheme := schemeOf(reference); {
	case path == "":
		return contained
	case scheme == "urn":
		return urn
	case scheme != "":
		return absolute
	}
	if typ, criteria, found := strings.Cut(path, "?"); found {
		if fhir.IsRelative(typ+"/1") && strings.Contains(criteria, "=") {
			return conditional
		}
		return malformed
	}
	path, version, found := strings.Cut(path, "/_history/")
	if fhir.IsRelative(path) && (!found || fhir.IsRelative("Version/"+version)) {
		return relative
	}
	return malformed
}

// schemeOf returns what stands before the colon of an absolute URI (RFC 3986 §3.1), in lower case, or "".
func schemeOf(uri string) string {
	for i := range len(uri) {
		c := uri[i] | 0x20
		switch {
		case 'a' <= c && c <= 'z':
		case i > 0 && ('0' <= uri[i] && uri[i] <= '9' || strings.IndexByte("+-.", uri[i]) >= 0):
		case i > 0 && uri[i] == ':':
			return strings.ToLower(uri[:i])
		default:
			return ""
		}
	}
	return ""
}
