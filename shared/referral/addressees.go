package referral

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// MaxAddressees is how many organisations one submission may be addressed to.
const MaxAddressees = 50

// Addressees finds the organisations that the entries of a Bundle are addressed to: those behind a ServiceRequest's
// performers and a Task's owner. Time is linear in the Bundle. It is not safe for concurrent use.
type Addressees struct {
	resolver
	all map[string]bool
}

// NewAddressees returns the Addressees of b. stored returns the resource, by its name Type/id, that a reference to none
// of the entries leads to, or nil; a nil stored knows none.
func NewAddressees(b fhir.Bundle, links *fhir.Links, stored func(name string) *fhir.Value) *Addressees {
	if stored == nil {
		stored = func(string) *fhir.Value { return nil }
	}
	return &Addressees{resolver{bundle: b, links: links, stored: stored, known: map[place]string{}}, map[string]bool{}}
}

// Of returns the HPI-Os of the organisations that entry i is addressed to, sorted. An *fhir.Error says that it names, or
// the submission with it is addressed to, more than MaxAddressees; then the entry does not count.
func (a *Addressees) Of(i int) ([]string, error) {
	resource := a.bundle.Entries[i].Resource
	references := AddresseeReferences(resource)
	var orgs []string
	added := len(a.all)
	for _, reference := range references[:min(len(references), MaxAddressees)] {
		if org := a.organization(holder{i, resource}, reference, 3); org != "" && !slices.Contains(orgs, org) {
			orgs = append(orgs, org)
			if !a.all[org] {
				added++
			}
		}
	}
	if len(references) > MaxAddressees || added > MaxAddressees {
		return nil, fhir.NewError(fhir.CodeTooCostly, "", "A submission is addressed to at most "+strconv.Itoa(MaxAddressees)+" organisations")
	}
	for _, org := range orgs {
		a.all[org] = true
	}
	slices.Sort(orgs)
	return orgs, nil
}

// AddresseeReferences returns the elements of a resource, of type Reference, that say to whom it is addressed.
func AddresseeReferences(resource *fhir.Value) []*fhir.Value {
	switch resource.ResourceType() {
	case "ServiceRequest":
		performers := resource.Get("performer").Items()
		references := make([]*fhir.Value, len(performers))
		for i := range performers {
			references[i] = &performers[i]
		}
		return references
	case "Task":
		if owner := resource.Get("owner"); owner != nil {
			return []*fhir.Value{owner}
		}
	}
	return nil
}

// Requester returns the HPI-O of the organisation that the requester of entry i is or belongs to, as far as is known, or "".
func (a *Addressees) Requester(i int) string {
	resource := a.bundle.Entries[i].Resource
	return a.organization(holder{i, resource}, resource.Get("requester"), 3)
}

// holder is the resource that a reference stands in: that of an entry, or a stored one.
type holder struct {
	entry    int // -1: it is stored
	resource *fhir.Value
}

// place is a reference in a holder.
type place struct {
	holder    *fhir.Value
	reference string
}

// resolver finds the organisations behind references, each once.
type resolver struct {
	bundle fhir.Bundle
	links  *fhir.Links
	stored func(name string) *fhir.Value
	known  map[place]string
}

// organization returns the HPI-O of the organisation that a Reference in from leads to, at most steps further
// references away, or "".
func (r *resolver) organization(from holder, reference *fhir.Value, steps int) string {
	if org := hpio(reference.Get("identifier")); org != "" {
		return org
	}
	text := reference.Get("reference").Text()
	at := place{from.resource, text}
	if org, ok := r.known[at]; ok {
		return org
	}
	org := ""
	if in, resource := r.resource(from, text); resource != nil && steps > 0 {
		org = r.organizationOf(in, resource, steps-1)
	}
	r.known[at] = org
	return org
}

// organizationOf returns the HPI-O of an Organization, of the one of a PractitionerRole, or of the one behind a
// HealthcareService, that is in's or contained in it.
func (r *resolver) organizationOf(in holder, resource *fhir.Value, steps int) string {
	switch resource.ResourceType() {
	case "Organization":
		identifiers := resource.Get("identifier").Items()
		for i := range identifiers {
			if org := hpio(&identifiers[i]); org != "" {
				return org
			}
		}
	case "PractitionerRole":
		return r.organization(in, resource.Get("organization"), steps)
	case "HealthcareService":
		return r.organization(in, resource.Get("providedBy"), steps)
	}
	return ""
}

// resource returns what a reference leads to, a whole resource or something contained in from's, and where it stands.
func (r *resolver) resource(from holder, reference string) (in holder, resource *fhir.Value) {
	url, fragment, contained := strings.Cut(reference, "#")
	if contained && url == "" {
		items := from.resource.Get("contained").Items()
		for i := range items {
			if items[i].Get("id").Text() == fragment {
				return from, &items[i]
			}
		}
		return holder{}, nil
	}
	if from.entry >= 0 {
		if i, ok := r.links.Entry(from.entry, url); ok {
			resource = r.bundle.Entries[i].Resource
			return holder{i, resource}, resource
		}
	}
	resource = r.stored(url)
	return holder{-1, resource}, resource
}

const hpioSystem = "http://ns.electronichealth.net.au/id/hi/hpio/1.0"

// hpio returns the value of an Identifier that is an HPI-O. One with a wrong check digit is a slip of the pen, and not
// anybody's.
func hpio(id *fhir.Value) string {
	value := id.Get("value").Text()
	if id.Get("system").Text() != hpioSystem || !identifier.IsHPIO(value) {
		return ""
	}
	return value
}
