package ingest

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// interactions are FHIR's names of what a method does to a resource (FHIR R4 valueset-restful-interaction.html).
var interactions = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// write accepts a create, update, patch or delete of one resource, each by its id or by search criteria (FHIR R4
// http.html#create, #update, #patch, #delete, #ccreate, #cond-update). It is settled as a transaction of one entry.
func (s *Server) write(w *fhirhttp.Response, r *http.Request) error {
	p, err := s.admit(w, r)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	target, err := targetOf(w, r)
	if err != nil {
		return err
	}
	a := acceptance{Type: interactions[r.Method], Request: referral.Request{
		Org: p.Org, KeyKind: referral.KeyHeader, Key: key, Method: r.Method, URL: urlOf(target),
	}, fill: p.Allow(principal.Fill) == nil && fillsTask(r.Method, target)}
	if a.Request.Conditions, err = s.conditions(r, target); err != nil {
		return err
	}
	if key == "" { // the same request may be meant twice
		a.Request.KeyKind, a.Request.Key = referral.KeyRandom, rand.Text()
		if r.Method == http.MethodPost && a.Request.Conditions == [4]string{} {
			a.creates = target.Type
		}
	}
	switch r.Method {
	case http.MethodDelete: // a body has no meaning (RFC 9110 §9.3.5)
	case http.MethodPatch:
		a.Request.ContentType = patch.ContentType
		a.body, err = s.readPatch(w, r)
	default:
		if a.body, a.Request.ContentType, err = fhirhttp.ReadBody(w, r, target.Type, s.MaxBody); err == nil {
			a.warnings, err = s.readResource(r.Context(), p, r.Method, target, a.body)
		}
	}
	if err != nil {
		return err
	}
	return s.accept(w, r, fhirhttp.Prefer(r), a)
}

// targetOf returns what the URL names. Without criteria and id, nothing but a create is meant.
func targetOf(w *fhirhttp.Response, r *http.Request) (fhir.Target, error) {
	t := fhir.Target{Type: r.PathValue("type"), ID: r.PathValue("id")}
	if _, ok := search.Params(t.Type); !ok {
		return t, fhir.NewError(fhir.CodeNotSupported, "", "This server has no resources of this type; see /fhir/metadata").
			WithStatus(http.StatusNotFound)
	}
	switch {
	case t.ID == "" && r.Method != http.MethodPost:
		if r.URL.RawQuery == "" && !r.URL.ForceQuery {
			return t, fhirhttp.NotAllowed(w, "What is updated, patched or deleted is named by an id, or by search criteria", http.MethodGet, http.MethodHead, http.MethodPost)
		}
		t.Query, t.Conditional = criteriaOf(r.URL.RawQuery), true
	case isOurs(t):
	case r.Method == http.MethodPut:
		return t, fhirhttp.NotAllowed(w, notOurs, http.MethodGet, http.MethodHead)
	case r.Method == http.MethodPatch || !fhir.IsRelative(t.Type+"/"+t.ID):
		return t, fhir.NewError(fhir.CodeNotFound, "", "There is nothing here with this id that this client may read")
	}
	return t, nil
}

// criteriaOf returns a query without the parameters that are about the answer (FHIR R4 http.html#parameters), the rest
// as it was sent.
func criteriaOf(query string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(query, "&"), func(parameter string) bool {
		name, _, _ := strings.Cut(parameter, "=")
		name, err := url.QueryUnescape(name)
		return err == nil && (name == "_format" || name == "_pretty")
	}), "&")
}

// urlOf is the target as the processor reads it.
func urlOf(t fhir.Target) string {
	switch {
	case t.Conditional:
		return "/fhir/" + t.Type + "?" + t.Query
	case t.ID != "":
		return "/fhir/" + t.Type + "/" + t.ID
	}
	return "/fhir/" + t.Type
}

// conditions returns what the request makes itself depend on, in the order of referral.Request.Conditions: a header
// that has no meaning for the method is refused, since it would be passed over in silence. If-Modified-Since is for
// reads (RFC 9110 §13.1.3).
func (s *Server) conditions(r *http.Request, target fhir.Target) (conditions [4]string, err error) {
	belongs := map[string]bool{
		"If-Match": r.Method != http.MethodPost, "If-None-Match": r.Method == http.MethodPut, "If-None-Exist": r.Method == http.MethodPost,
	}
	for i, name := range []string{"If-Match", "If-None-Match", "If-None-Exist"} {
		values := r.Header.Values(name)
		switch {
		case len(values) == 0:
			continue
		case !belongs[name]:
			return conditions, fhir.NewError(fhir.CodeNotSupported, "", name+" has no meaning for this method")
		case len(values) > 1 || name != "If-None-Exist" && !isETag(values[0]):
			return conditions, fhir.NewError(fhir.CodeValue, "", name+" has one value. "+notETag)
		}
		conditions[i] = values[0]
	}
	switch {
	case r.Header.Values("If-None-Exist") != nil:
		_, err = search.ParseCondition(target.Type, strings.TrimPrefix(conditions[2], "?"), s.base())
	case target.Conditional:
		_, err = search.ParseCondition(target.Type, target.Query, s.base())
	}
	return conditions, err
}

// base is what absolute references to this server's resources begin with.
func (s *Server) base() string { return s.BaseURL.JoinPath("fhir/").String() }

func (s *Server) readPatch(w *fhirhttp.Response, r *http.Request) ([]byte, error) {
	body, err := fhirhttp.ReadPatch(w, r, s.MaxBody)
	if err != nil {
		return nil, err
	}
	end, err := s.work.begin(r.Context(), body)
	if err != nil {
		return nil, err
	}
	defer end()
	return body, checkPatch(body)
}

// readResource holds a resource that is to be created or updated against what the URL says, FHIR and its profiles, and
// returns the warnings. It refers to no search criteria: those belong to transactions (FHIR R4 http.html#trules).
func (s *Server) readResource(ctx context.Context, p principal.Principal, method string, target fhir.Target, body []byte) ([]fhir.Issue, error) {
	end, err := s.work.begin(ctx, body)
	if err != nil {
		return nil, err
	}
	defer end()
	resource, err := fhir.Parse(body, target.Type, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	if resource.ResourceType() != target.Type {
		return nil, fhir.NewError(fhir.CodeInvalid, target.Type, "The resource is of another type than the URL says")
	}
	if method == http.MethodPut && target.ID != "" && resource.Get("id").Text() != target.ID {
		return nil, fhir.NewError(fhir.CodeInvalid, target.Type+".id", "An update has the same id in its URL and in its resource (FHIR R4 http.html#update)")
	}
	r := s.newRules(s.Schemas.Check(resource, target.Type))
	if !isMalformed(r.issues) {
		conditionalReferences(resource, target.Type, func(path, _, _ string) {
			r.fail("conditional-reference", fhir.CodeNotSupported, path, "A reference by search criteria is resolved in a transaction only")
		})
	}
	issues, err := verdict(r.issues)
	if err != nil || method != http.MethodPost {
		return issues, err
	}
	return s.parties(p, fhir.Bundle{Type: "collection", Entries: []fhir.Entry{{Resource: resource}}}, issues)
}
