package query

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// read serves the current version of a resource (FHIR R4 http.html#read, #cread).
func (s *Server) read(w *fhirhttp.Response, r *http.Request) error {
	resourceType := r.PathValue("type")
	if err := checkType(resourceType); err != nil {
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
	return writeVersion(w, r, v)
}

// vread serves one version of a resource, superseded or not (FHIR R4 http.html#vread).
func (s *Server) vread(w *fhirhttp.Response, r *http.Request) error {
	resourceType := r.PathValue("type")
	if err := checkType(resourceType); err != nil {
		return err
	}
	id, err := referral.ParseUUID(r.PathValue("id"))
	number, err2 := strconv.ParseInt(r.PathValue("version"), 10, 32)
	if err != nil || err2 != nil || strconv.FormatInt(number, 10) != r.PathValue("version") {
		return notFound()
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	name := postgres.Version{Type: resourceType, ID: id.String(), Number: int(number)}.Name()
	versions, err := s.Store.Versions(ctx, w.Principal.Org, []string{name})
	if err != nil {
		return storeError(err)
	}
	v, found := versions[name]
	if !found {
		return notFound()
	}
	return writeVersion(w, r, v)
}

// writeVersion answers with v, or says that the caller has it already or that it is a deletion.
func writeVersion(w *fhirhttp.Response, r *http.Request, v postgres.Version) error {
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
	fhirhttp.Write(w, http.StatusOK, v.JSON())
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
