package query

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
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
	etag := `W/"` + strconv.Itoa(v.Number) + `"`
	w.Header().Set("ETag", etag)
	w.Header().Set("Last-Modified", v.LastUpdated.UTC().Format(http.TimeFormat))
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	fhirhttp.Write(w, http.StatusOK, v.JSON())
	return nil
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
