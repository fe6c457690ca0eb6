package fhirhttp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// ReadForm returns the parameters of a search by POST (FHIR R4 http.html#search), those of the URL among them. limit
// is in bytes of the body. What they say of the form of the answer w obeys. Errors are *fhir.Error: 413 beyond the limit, 415 for another type or encoding, 400 for
// what is malformed and 406 for a _format that is not JSON.
func ReadForm(w *Response, r *http.Request, limit int64) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || r.Header.Get("Content-Encoding") != "" {
		return nil, fhir.NewError(fhir.CodeNotSupported, "", "Content-Type is application/x-www-form-urlencoded, without Content-Encoding").
			WithStatus(http.StatusUnsupportedMediaType)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := r.ParseForm(); err != nil {
		if _, oversize := errors.AsType[*http.MaxBytesError](err); oversize {
			return nil, fhir.NewError(fhir.CodeTooLong, "", fmt.Sprintf("The body is larger than %d bytes", limit))
		}
		return nil, fhir.NewError(fhir.CodeValue, "", "The parameters are malformed")
	}
	w.form = formOf(r.Header, r.Form)
	return r.Form, w.form.check()
}
