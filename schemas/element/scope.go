package element

import (
	"strings"
	"sync"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Document is a resource with what is in it, seen once for all that resolve references in it. Safe for concurrent use.
type Document struct {
	root   *fhir.Value
	bundle fhir.Bundle // of no entries where root is no Bundle
	links  *fhir.Links

	mu        sync.Mutex
	contained map[*fhir.Value]map[string]*fhir.Value // by resource and id, as far as asked for; guarded by mu
}

// NewDocument returns the document of root.
func NewDocument(root *fhir.Value) *Document {
	d := &Document{root: root}
	if root.ResourceType() == "Bundle" {
		d.bundle = fhir.AsBundle(root)
		d.links = d.bundle.Links()
	}
	return d
}

// Scope says where an element stands, which gives %resource, %rootResource and resolve() their meaning.
type Scope struct {
	document *Document
	entry    int         // -1 outside a Bundle's entries
	Resource *fhir.Value // %resource: the resource that the element is in; where that is contained, the contained one
	Root     *fhir.Value // %rootResource: the resource that contains it, else the same
}

// Root returns the scope of the document's own resource.
func (d *Document) Root() Scope { return Scope{document: d, entry: -1, Resource: d.root, Root: d.root} }

// Entries returns the number of entries of a Bundle; 0 for another resource.
func (d *Document) Entries() int { return len(d.bundle.Entries) }

// Entry returns the scope of the resource of Bundle.entry[i].
func (d *Document) Entry(i int) Scope {
	r := d.bundle.Entries[i].Resource
	return Scope{document: d, entry: i, Resource: r, Root: r}
}

// Contained returns the scope of a resource that the scope's resource contains.
func (s Scope) Contained(resource *fhir.Value) Scope {
	s.Resource = resource
	return s
}

// Separate returns the scope of a resource that stands on its own in the document, such as that of a Parameters: it
// refers to no entries.
func (s Scope) Separate(resource *fhir.Value) Scope {
	return Scope{document: s.document, entry: -1, Resource: resource, Root: resource}
}

// Resolve returns the resource that reference leads to, and its own scope: one that the root resource contains
// (#id; # alone is the root itself), or one of the Bundle (FHIR R4 bundle.html#references; a version, as in
// Type/id/_history/2, is one of the entry's own). It returns nil for what is not in the document.
func (s Scope) Resolve(reference string) (*fhir.Value, Scope) {
	if fragment, ok := strings.CutPrefix(reference, "#"); ok {
		return s.contained(fragment)
	}
	if s.document.links == nil || s.entry < 0 || reference == "" {
		return nil, Scope{}
	}
	target, fragment, _ := strings.Cut(reference, "#")
	i, ok := s.document.links.Entry(s.entry, target)
	if !ok {
		unversioned, version, found := strings.Cut(target, "/_history/")
		if i, ok = s.document.links.Entry(s.entry, unversioned); !found || !ok ||
			s.document.bundle.Entries[i].Resource.At("meta", "versionId").Text() != version {
			return nil, Scope{}
		}
	}
	found := s.document.Entry(i)
	if fragment != "" {
		return found.contained(fragment)
	}
	return found.Resource, found
}

func (s Scope) contained(id string) (*fhir.Value, Scope) {
	if id == "" {
		s.Resource = s.Root
		return s.Root, s
	}
	if found := s.document.containedIn(s.Root)[id]; found != nil {
		return found, s.Contained(found)
	}
	return nil, Scope{}
}

// containedIn returns what resource contains by id, of several with one id the first. It is made once, since every
// reference may ask.
func (d *Document) containedIn(resource *fhir.Value) map[string]*fhir.Value {
	items := resource.Get("contained").Items()
	if len(items) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	byID := d.contained[resource]
	if byID != nil {
		return byID
	}
	byID = make(map[string]*fhir.Value, len(items))
	for i := range items {
		if id := items[i].Get("id").Text(); byID[id] == nil {
			byID[id] = &items[i]
		}
	}
	if d.contained == nil {
		d.contained = map[*fhir.Value]map[string]*fhir.Value{}
	}
	d.contained[resource] = byID
	return byID
}

// TypeOf returns the type of resource that the text of a literal reference names, such as Patient/1 or an absolute URL
// that ends so, also with a version; "" where it names none.
func TypeOf(reference string) string {
	reference, _, _ = strings.Cut(reference, "/_history/")
	i := strings.LastIndexByte(reference, '/')
	if i <= 0 {
		return ""
	}
	typ := reference[strings.LastIndexByte(reference[:i], '/')+1:]
	if !fhir.IsRelative(typ) {
		return ""
	}
	return typ[:strings.IndexByte(typ, '/')]
}
