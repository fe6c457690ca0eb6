package bundle

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// resource checks a resource that stands for itself: the document, one of a Bundle or of Parameters. document is v's
// own, or nil.
func (w *walk) resource(v *fhir.Value, document *element.Document) {
	root, contained, complete := w.root, w.contained, w.complete
	defer func() { w.root, w.contained, w.complete = root, contained, complete }()
	w.root, w.complete = v, false
	w.contained = containedBy(v, w.sameID)
	if v.ResourceType() != "Bundle" {
		w.members("", v)
		return
	}
	if document == nil {
		document = element.NewDocument(v)
	}
	w.bundle(fhir.AsBundle(v), document)
}

// containedBy returns what v contains by id, of several with one id the first, and calls repeated with the place of
// every other.
func containedBy(v *fhir.Value, repeated func(int)) map[string]*fhir.Value {
	items := v.Get("contained").Items()
	if len(items) == 0 {
		return nil
	}
	byID := make(map[string]*fhir.Value, len(items))
	for i := range items {
		id := items[i].Get("id").Text()
		switch {
		case id == "":
		case byID[id] == nil:
			byID[id] = &items[i]
		default:
			repeated(i)
		}
	}
	return byID
}

// sameID reports that the id of contained[i] leads to no resource for sure (FHIR R4 references.html#contained).
func (w *walk) sameID(i int) {
	w.down("contained")
	w.item(i)
	w.fail(own("contained-id"), fhir.CodeInvariant, "id", "Two contained resources have the same id: a reference to it could mean either")
	w.up()
	w.up()
}

// members checks what v, a resource or an element called name, is made of.
func (w *walk) members(name string, v *fhir.Value) {
	if w.full() {
		return
	}
	head := v == w.root && w.isHead()
	items := v.Items()
	for i := range items {
		m := &items[i]
		if head {
			w.complete = isCompleted(m.Name())
		}
		switch m.Kind() {
		case fhir.Object, fhir.Array:
			w.down(m.Name())
			w.value(m.Name(), m)
			w.up()
		case fhir.String:
			w.text(name, v, m)
		default: // no rule is about numbers and booleans
		}
	}
}

// value checks an object or array that is called name.
func (w *walk) value(name string, v *fhir.Value) {
	switch v.Kind() {
	case fhir.Array:
		items := v.Items()
		for i := range items {
			w.item(i)
			w.value(name, &items[i])
			w.up()
		}
	case fhir.Object:
		w.object(name, v)
	default: // a primitive in an array
	}
}

func (w *walk) object(name string, v *fhir.Value) {
	complete := w.complete
	switch name {
	case "resource":
		if v.ResourceType() != "" {
			w.resource(v, nil)
			return
		}
	case "extension":
		w.complete = false
	}
	w.members(name, v)
	w.complete = complete
}

// text checks what the string m tells of the object that it is in, v, called name.
func (w *walk) text(name string, v, m *fhir.Value) {
	switch m.Name() {
	case "reference":
		w.scheme(m)
		if isReference(name, v) {
			w.reference(v)
		}
	case "system":
		w.identifier(name, v)
	case "code":
		if name == "security" {
			w.securityLabel(v)
		}
	case "div":
		if name == "text" {
			w.narrative(m)
		}
	case "contentType":
		if isAttachment(name) || v.ResourceType() == "Binary" {
			w.attachment(v)
		}
	case "data":
		if (isAttachment(name) || v.ResourceType() == "Binary") && v.Get("contentType") == nil {
			w.attachment(v)
		}
	case "implicitRules":
		if v.ResourceType() != "" {
			w.fail(own("implicit-rules"), fhir.CodeNotSupported, "implicitRules",
				"This resource asks to be understood by rules beyond FHIR's own (implicitRules), which this server does not know")
		}
	case "url", "valueUrl", "valueUri", "address", "endpoint", "rendering", "nameUrl":
		w.scheme(m)
	}
}
