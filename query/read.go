package query

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// read serves the current version of a resource (FHIR R4 http.html#read, #cread). ServeMux has it serve the history of a
// type, too: /fhir/{type}/_history could be the status of a submission called _history.
func (s *Server) read(w *fhirhttp.Response, r *http.Request) error {
	resourceType := r.PathValue("type")
	if r.PathValue("id") == "_history" {
		return s.writes(w, r)
	}
	shape, err := readShape(r)
	if err != nil {
		return err
	}
	id, err := referral.ParseUUID(r.PathValue("id"))
	if err != nil {
		return notFound()
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	v, found, err := s.Store.Read(ctx, w.Principal.Org, resourceType, id)
	if err != nil {
		return storeError(err)
	}
	if !found {
		return notFound()
	}
	return s.writeVersion(w, r, "read", v, shape)
}

// vread serves one version of a resource, superseded or not (FHIR R4 http.html#vread).
func (s *Server) vread(w *fhirhttp.Response, r *http.Request) error {
	shape, err := readShape(r)
	if err != nil {
		return err
	}
	id, err := referral.ParseUUID(r.PathValue("id"))
	number, err2 := strconv.ParseInt(r.PathValue("version"), 10, 32)
	if err != nil || err2 != nil || strconv.FormatInt(number, 10) != r.PathValue("version") {
		return notFound()
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	name := postgres.Version{Type: r.PathValue("type"), ID: id.String(), Number: int(number)}.Name()
	versions, err := s.Store.Versions(ctx, w.Principal.Org, []string{name})
	if err != nil {
		return storeError(err)
	}
	v, found := versions[name]
	if !found {
		return notFound()
	}
	return s.writeVersion(w, r, "vread", v, shape)
}

// readShape returns how a resource is to be shown. It refuses a type that is not served, parameters that are not of a
// read, and callers that take no JSON; but for a Binary, whose own content they may want.
func readShape(r *http.Request) (shape, error) {
	if r.PathValue("type") != "Binary" {
		if err := fhirhttp.CheckAccept(r); err != nil {
			return shape{}, err
		}
	}
	if err := checkType(r.PathValue("type")); err != nil {
		return shape{}, err
	}
	values, err := parameters(r)
	if err != nil {
		return shape{}, err
	}
	for name := range values {
		if handlesStrictly(r) && !slices.Contains(formParameters(), name) {
			return shape{}, unsupported("a read")
		}
	}
	return parseResourceShape(values)
}

// unsupported refuses a parameter of what, which takes those of every answer and the known.
func unsupported(what string, known ...string) error {
	return fhir.NewError(fhir.CodeNotSupported, "", "A parameter is not supported; those of "+what+" are "+
		strings.Join(slices.Concat(known, formParameters()), ", ")).WithStatus(http.StatusBadRequest)
}

// writeVersion answers with v, or says that the caller has it already or that it is a deletion.
func (s *Server) writeVersion(w *fhirhttp.Response, r *http.Request, interaction string, v postgres.Version, shape shape) error {
	etag := etag(v)
	w.Header().Set("ETag", etag)
	w.Header().Set("Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
	if v.Deleted {
		return fhir.NewError(fhir.CodeDeleted, "", "The resource was deleted; its versions are in its history")
	}
	if notModified(r, etag, v.LastUpdated) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if err := s.disclose(w, r, interaction, v.Name(), "", v); err != nil {
		return err
	}
	if v.Type == "Binary" {
		if written, err := writeBinary(w, r, v); written || err != nil {
			return err
		}
	}
	body, err := shape.resource(v)
	if err != nil {
		return err
	}
	fhirhttp.Write(w, http.StatusOK, body)
	return nil
}

func etag(v postgres.Version) string { return `W/"` + strconv.Itoa(v.Number) + `"` }

// notModified evaluates the conditions of a read (FHIR R4 http.html#cread). If-None-Match outweighs If-Modified-Since,
// which knows whole seconds only (RFC 9110 §13.1.3).
func notModified(r *http.Request, etag string, modified time.Time) bool {
	if lists := r.Header.Values("If-None-Match"); len(lists) > 0 {
		return matches(lists, etag)
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !modified.Truncate(time.Second).After(since)
}

func checkType(resourceType string) error {
	if _, ok := search.Params(resourceType); !ok {
		return fhir.NewError(fhir.CodeNotSupported, "", "This server has no resources of this type; see /fhir/metadata").
			WithStatus(http.StatusNotFound)
	}
	return nil
}

// matches tells whether etag is in the lists of an If-None-Match header, by weak comparison (RFC 9110 §13.1.2).
func matches(lists []string, etag string) bool {
	for _, tag := range strings.Split(strings.Join(lists, ","), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
