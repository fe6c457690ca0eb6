package ingest

import (
	"context"
	"crypto/rand"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// interactions are FHIR's names of what a method does to a resource (FHIR R4 valueset-restful-interaction.html).
var interactions = map[string]string{
	http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// write accepts a create, update, patch or delete of one resource, each by its id or by conditions (FHIR R4
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
	target, err := s.target(r)
	if err != nil {
		return err
	}
	a := accepted{Type: interactions[r.Method], Request: referral.Request{
		Org: p.Org, KeyKind: referral.KeyHeader, Key: key, Method: r.Method, URL: "/fhir/" + urlOf(r, target),
	}}
	if key == "" { // the same request may be meant twice
		a.Request.KeyKind, a.Request.Key = referral.KeyRandom, rand.Text()
		if r.Method == http.MethodPost && r.Header.Get("If-None-Exist") == "" {
			a.creates = target.Type
		}
	}
	if a.Request.Conditions, err = s.conditions(r, target); err != nil {
		return err
	}
	switch r.Method {
	case http.MethodDelete: // a body has no meaning (RFC 9110 §9.3.5)
	case http.MethodPatch:
		a.body, err = s.readPatch(w, r)
		a.Request.ContentType = patch.ContentType
	default:
		a.body, a.Request.ContentType, err = fhirhttp.ReadBody(w, r, target.Type, s.MaxBody)
		if err == nil {
			a.warnings, err = s.readResource(r.Context(), r.Method, target, a.body)
		}
	}
	if err != nil {
		return err
	}
	return s.accept(w, r, a)
}

// target returns what the URL names.
func (s *Server) target(r *http.Request) (fhir.Target, error) {
	target := fhir.Target{Type: r.PathValue("type"), ID: r.PathValue("id"), Query: r.URL.RawQuery}
	if _, ok := search.Params(target.Type); !ok {
		return target, fhir.NewError(fhir.CodeNotSupported, "", "This server has no resources of this type; see /fhir/metadata").
			WithStatus(http.StatusNotFound)
	}
	target.Conditional = target.ID == "" && r.Method != http.MethodPost
	if !target.Conditional {
		target.Query = ""
	}
	if _, err := referral.ParseUUID(target.ID); err != nil && r.Method == http.MethodPut && !target.Conditional {
		return target, fhir.NewError(fhir.CodeNotSupported, "", "There is no resource with this id, and this server gives ids itself: create it with POST").
			WithStatus(http.StatusMethodNotAllowed)
	}
	return target, nil
}

// urlOf is the target as a processor reads it.
func urlOf(r *http.Request, t fhir.Target) string {
	path := t.Type
	if t.ID != "" {
		path += "/" + t.ID
	}
	if t.Conditional {
		path += "?" + r.URL.RawQuery
	}
	return path
}

// etagPattern is an entity tag of this server, weak or not (FHIR R4 http.html#versioning).
var etagPattern = regexp.MustCompile(`^(?:W/)?"[1-9][0-9]{0,9}"$`)

// conditions returns what the request makes itself depend on, in the order of referral.Request.Conditions.
func (s *Server) conditions(r *http.Request, target fhir.Target) (conditions [4]string, err error) {
	header := func(name string) string { return strings.TrimSpace(strings.Join(r.Header.Values(name), ",")) }
	if r.Method == http.MethodPost {
		if conditions[2] = strings.TrimPrefix(header("If-None-Exist"), "?"); conditions[2] != "" {
			_, err = search.ParseCondition(target.Type, conditions[2], s.base())
		}
		return conditions, err
	}
	if conditions[0] = header("If-Match"); conditions[0] != "" && conditions[0] != "*" && !etagPattern.MatchString(conditions[0]) {
		return conditions, fhir.NewError(fhir.CodeValue, "", `If-Match is one entity tag, such as W/"1"`)
	}
	if conditions[1] = header("If-None-Match"); conditions[1] != "" && conditions[1] != "*" && !etagPattern.MatchString(conditions[1]) {
		return conditions, fhir.NewError(fhir.CodeValue, "", `If-None-Match is * or one entity tag, such as W/"1"`)
	}
	if target.Conditional {
		_, err = search.ParseCondition(target.Type, target.Query, s.base())
	}
	return conditions, err
}

// base is what absolute references to this server's resources begin with.
func (s *Server) base() string { return s.BaseURL.JoinPath("fhir/").String() }

func (s *Server) readPatch(w *fhirhttp.Response, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != patch.ContentType {
		return nil, fhir.NewError(fhir.CodeNotSupported, "", "A patch is a JSON Patch: Content-Type "+patch.ContentType).
			WithStatus(http.StatusUnsupportedMediaType)
	}
	r.Header.Set("Content-Type", "application/json") // which the gate of bodies knows
	body, _, err := fhirhttp.ReadBody(w, r, "", s.MaxBody)
	if err != nil {
		return nil, err
	}
	end, err := s.work.begin(r.Context(), body)
	if err != nil {
		return nil, err
	}
	defer end()
	return body, patch.Check(body)
}

// readResource holds a resource that is to be created or updated against FHIR and its profiles, and returns the
// warnings.
func (s *Server) readResource(ctx context.Context, method string, target fhir.Target, body []byte) ([]fhir.Issue, error) {
	end, err := s.work.begin(ctx, body)
	if err != nil {
		return nil, err
	}
	defer end()
	document, err := fhir.Parse(body, target.Type, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	if document.ResourceType() != target.Type {
		return nil, fhir.NewError(fhir.CodeInvalid, target.Type+".resourceType", "The resource is of another type than the URL says")
	}
	if id := document.Get("id").Text(); method == http.MethodPut && target.ID != "" && id != target.ID {
		return nil, fhir.NewError(fhir.CodeInvalid, target.Type+".id", "An update has the same id in its URL and in its resource (FHIR R4 http.html#update)")
	}
	issues := s.Schemas.Check(document, target.Type)
	issues = slices.DeleteFunc(issues, func(i fhir.Issue) bool { return i.Severity == fhir.SeverityInformation })
	if !isMalformed(issues) {
		var own rules
		referenceRules(&own, document, target.Type, s.base())
		issues = append(issues, own...)
	}
	if anyFails(issues) {
		return nil, &fhir.Error{Issues: issues}
	}
	return issues, nil
}
