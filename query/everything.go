package query

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// everythingOf is the route of $everything for a type.
func everythingOf(method, resourceType string) string {
	return method + " /fhir/" + resourceType + "/{id}/$everything"
}

// everything returns the handler of $everything: of a Patient (FHIR R4 patient-operation-everything.html) all that the
// caller may read in the patient's compartment, and what that refers to; of a ServiceRequest likewise what refers to it
// within its patient's compartment, its Tasks above all, what it and these refer to, and so the Tasks' group. Matches are
// the resource and what refers to it.
func (s *Server) everything(resourceType string) fhirhttp.Handler {
	return func(w *fhirhttp.Response, r *http.Request) error {
		id, err := referral.ParseUUID(r.PathValue("id"))
		if err != nil {
			return notFound()
		}
		q, err := s.parseEverything(w, r)
		if err != nil {
			return err
		}
		q.Root, q.Bytes = id, s.PageBytes
		address := s.BaseURL.JoinPath("fhir", resourceType, id.String(), "$everything")
		bound := []string{w.Principal.Org, address.Path, q.understood.Encode()}
		if q.page != "" {
			place, ok := s.signedPlace(q.page, len(id), everythingPurpose, bound...)
			if !ok {
				return fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this operation for this client")
			}
			q.After = referral.UUID(place)
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
		defer cancel()
		if q.Keys, err = s.compartment(ctx, w.Principal.Org, resourceType, id); err != nil {
			return err
		}
		found, err := s.Store.Everything(ctx, w.Principal.Org, q.Everything)
		if err != nil {
			return storeError(err)
		}
		b := searchset{
			ResourceType: "Bundle", Type: "searchset", Total: &found.Total,
			Link: []bundleLink{{"self", pageURL(address, q.understood, "")}},
		}
		if n := len(found.Found); found.More && n > 0 && !q.shape.counts() {
			last, err := referral.ParseUUID(found.Found[n-1].ID)
			if err != nil {
				return err
			}
			b.Link = append(b.Link, bundleLink{"next", pageURL(address, q.understood, s.signPlace(slices.Clone(last[:]), everythingPurpose, bound...))})
		}
		for i, v := range found.Found {
			if q.shape.counts() {
				break
			}
			mode := "include"
			if found.Direct[i] {
				mode = "match"
			}
			resource, err := q.shape.resource(v)
			if err != nil {
				return err
			}
			b.Entry = append(b.Entry, searchsetEntry{s.BaseURL.JoinPath("fhir", v.Type, v.ID).String(), resource, searchsetEntryMatch{mode}})
		}
		body, err := encode(b)
		if err == nil {
			err = s.disclose(w, r, "everything", resourceType+"/"+id.String(), q.understood.Encode(), found.Found...)
		}
		if err != nil {
			return err
		}
		fhirhttp.Write(w, http.StatusOK, body)
		return nil
	}
}

// compartment returns the keys of all in the compartment of the patient, or of the subject of the ServiceRequest: by every
// search parameter that may lead to a Patient. The error is that of a read when the caller may not read the resource.
func (s *Server) compartment(ctx context.Context, org, resourceType string, id referral.UUID) ([]search.KeyRange, error) {
	v, found, err := s.Store.Read(ctx, org, resourceType, id)
	switch {
	case err != nil:
		return nil, storeError(err)
	case !found:
		return nil, notFound()
	case v.Deleted:
		return nil, fhir.NewError(fhir.CodeDeleted, "", "The resource was deleted; its versions are in its history")
	}
	patient := resourceType + "/" + v.ID
	if resourceType != "Patient" {
		resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
		if err != nil {
			return nil, err
		}
		patient = resource.At("subject", "reference").Text()
		if target, ok := fhir.ParseTarget(patient); !ok || target.Type != "Patient" {
			return nil, nil
		}
	}
	var keys []search.KeyRange
	for _, name := range search.Types() {
		params, _ := search.Params(name)
		for _, p := range params {
			if p.Type != search.Reference || p.Use == search.Unindexed || len(p.Target) > 0 && !slices.Contains(p.Target, "Patient") {
				continue
			}
			c, err := search.ParseCriterion(name, p, "", patient, "")
			if err != nil {
				return nil, err
			}
			keys = append(keys, c.Keys...)
		}
	}
	return keys, nil
}

// everythingQuery is $everything as it was asked for.
type everythingQuery struct {
	postgres.Everything
	shape      shape
	page       string
	understood url.Values
}

// everythingPurpose is what the signature in its page tokens is for.
const everythingPurpose = "everything-page-v1"

// parseEverything understands the parameters of the operation, in the URL and, by POST, in Parameters. Those it does not
// know are ignored, or refused when strict; those of the standard that are not served are always refused: ignoring them
// would answer more than was asked for.
func (s *Server) parseEverything(w *fhirhttp.Response, r *http.Request) (everythingQuery, error) {
	q := everythingQuery{understood: url.Values{}}
	q.Count = defaultCount
	values, err := parameters(r)
	if err == nil && r.Method == http.MethodPost && r.ContentLength != 0 {
		err = addParameters(w, r, values)
	}
	if err == nil {
		q.page = values.Get("_page")
		q.shape, err = parseShape(values)
	}
	for name := range values {
		if err != nil {
			break
		}
		switch {
		case name == "_count":
			q.Count, err = parseCount(values[name])
		case name == "_since":
			q.Since, err = parseInstant(name, values.Get(name))
			if len(values[name]) > 1 {
				err = fhir.NewError(fhir.CodeValue, "", "_since stands once")
			}
		case name == "_type":
			q.Types = strings.Split(strings.Join(values[name], ","), ",")
			q.Types = slices.DeleteFunc(q.Types, func(t string) bool { return !isServed(t) })
			if len(q.Types) == 0 {
				err = fhir.NewError(fhir.CodeValue, "", "_type names no type of this server; see /fhir/metadata")
			}
		case name == "_page":
			continue
		case slices.Contains(formParameters(), name): // fhirhttp and shape have seen it
		case name == "start" || name == "end" || handlesStrictly(r):
			err = unsupported("$everything", "_count", "_since", "_type")
		default:
			continue
		}
		q.understood[name] = values[name]
	}
	return q, err
}

func isServed(resourceType string) bool {
	_, ok := search.Params(resourceType)
	return ok
}

// addParameters adds the input parameters in the body of r, which are Parameters (FHIR R4 operations.html#executing).
func addParameters(w *fhirhttp.Response, r *http.Request, values url.Values) error {
	body, _, err := fhirhttp.ReadBody(w, r, "Parameters", maxForm)
	if err != nil {
		return err
	}
	resource, err := fhir.Parse(body, "Parameters", fhir.Limits{})
	if err != nil {
		return err
	}
	if resource.ResourceType() != "Parameters" {
		return fhir.NewError(fhir.CodeStructure, "Parameters", "The body of an operation is Parameters")
	}
	list := resource.Get("parameter").Items()
	for i := range list {
		items := list[i].Items()
		for j := range items {
			if strings.HasPrefix(items[j].Name(), "value") {
				values.Add(list[i].Get("name").Text(), items[j].Text())
			}
		}
	}
	return nil
}
