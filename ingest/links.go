package ingest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// links holds that a fullUrl is unique (bdl-7 would allow several versions of one resource: here each entry becomes a
// resource of its own, and a reference would lead to none of them for sure), and that what a transaction refers to by
// search criteria can be searched. In other Bundles nothing may (FHIR R4 http.html#trules): the schemas say so.
func (r *rules) links(b fhir.Bundle) {
	known, sound := make(map[string]bool, len(b.Entries)), map[string]bool{}
	for i, entry := range b.Entries {
		if entry.FullURL != "" && known[entry.FullURL] {
			r.fail("full-url-unique", fhir.CodeInvariant, b.Expression(i, "fullUrl"), "Another entry has the same fullUrl")
		}
		known[entry.FullURL] = true
		if b.Type == "transaction" {
			conditionalReferences(entry.Resource, b.Expression(i, "resource"), func(path, resourceType, query string) {
				if reference := resourceType + "?" + query; !sound[reference] { // counts once, however often it stands there
					err := r.condition(resourceType, query)
					sound[reference] = err == nil
					r.failAs("reference-criteria", path, err)
				}
			})
		}
	}
}

// conditionalReferences calls visit for every reference by search criteria in a resource (FHIR R4 http.html#trules).
func conditionalReferences(resource *fhir.Value, path string, visit func(path, resourceType, query string)) {
	found := false
	resource.Strings(func(name string, s *fhir.Value) {
		found = found || name == "reference" && strings.Contains(s.Text(), "?")
	})
	if !found {
		return // nearly always, and without a path for every string
	}
	resource.Walk(path, func(name, path string, s *fhir.Value) {
		if resourceType, query, ok := search.IsConditional(s.Text()); ok && name == "reference" {
			visit(path, resourceType, query)
		}
	})
}

// addressees holds that a new referral reaches somebody. Whom a transaction or batch names by a place on this server is
// looked for when it settles; any other must be known now, since nobody could be told later. That it names no
// organisation at all is the sender's business, and worth a warning.
func (r *rules) addressees(b fhir.Bundle) {
	links := b.Links()
	known := referral.NewAddressees(b, links, nil)
	places, looks := "contained", b.Type == "transaction" || b.Type == "batch"
	if looks {
		places += ", on this server"
	}
	tooMany := fhir.SeverityError
	if b.Type == "batch" { // which fails the entry alone, when it settles
		tooMany = fhir.SeverityWarning
	}
	request, addressed := -1, false
	for i, entry := range b.Entries {
		addressees, err := known.Of(i)
		if e, ok := errors.AsType[*fhir.Error](err); ok {
			r.add(tooMany, "addressee", e.Issues[0].Code, b.Expression(i, "resource"), e.Issues[0].Details)
			if tooMany == fhir.SeverityError {
				return
			}
			continue
		}
		addressed = addressed || len(addressees) > 0
		if !bundle.IsNew(b.Type, entry) {
			continue
		}
		if request < 0 && bundle.IsNewRequest(b.Type, entry) {
			request = i
		}
		for j, reference := range referral.AddresseeReferences(entry.Resource) {
			target := reference.Get("reference").Text()
			if _, resolves := links.Entry(i, target); resolves || target == "" || target[0] == '#' {
				continue
			}
			if looks && r.mayBeHere(target) {
				addressed = true
			} else if reference.Get("identifier") == nil {
				r.fail("addressee", fhir.CodeNotFound, b.Expression(i, "resource", addresseeElement(entry.Resource, j)),
					"A performer or owner is an entry of the Bundle, "+places+", or named by its HPI-O: this one is none of them, and would not see the referral")
			}
		}
	}
	if request >= 0 && !addressed {
		r.add(fhir.SeverityWarning, "addressee", fhir.CodeBusinessRule, b.Expression(request, "resource", "performer"),
			"Neither a performer nor a Task's owner is an organisation with an HPI-O: nobody but the sender will see this referral")
	}
}

// mayBeHere tells a reference to what this server may have: by an id that it gave, or by search criteria.
func (r *rules) mayBeHere(reference string) bool {
	if _, _, conditional := search.IsConditional(reference); conditional {
		return true
	}
	target, ok := fhir.ParseTarget(strings.TrimPrefix(reference, r.base))
	return ok && target.ID != "" && isOurs(target)
}

// addresseeElement is where the j-th of a resource's addressees stands in it.
func addresseeElement(resource *fhir.Value, j int) string {
	if resource.ResourceType() == "Task" {
		return "owner"
	}
	return "performer[" + strconv.Itoa(j) + "]"
}
