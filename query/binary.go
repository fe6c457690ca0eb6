package query

import (
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

// writeBinary sends what a Binary holds to a caller that asks for its type rather than for FHIR (FHIR R4
// binary.html#rest); written is false when the caller is to have the resource. It is a file to keep, which no browser
// shows: with the headers of every answer it can neither run nor pass for anything else.
func writeBinary(w *fhirhttp.Response, r *http.Request, v postgres.Version) (written bool, err error) {
	if fhirhttp.CheckAccept(r) == nil && r.Header.Get("Accept") == "" {
		return false, nil
	}
	resource, err := fhir.Parse(v.JSON(), v.Type, fhir.Limits{})
	if err != nil {
		return false, err
	}
	contentType := resource.Get("contentType").Text()
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		contentType, media = "application/octet-stream", "application/octet-stream"
	}
	if !fhirhttp.Prefers(r, media) {
		return false, fhirhttp.CheckAccept(r)
	}
	text := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \t\r\n", c) {
			return -1
		}
		return c
	}, resource.Get("data").Text())
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false, fhir.NewError(fhir.CodeNotSupported, "Binary.data", "The content cannot be decoded; ask for application/fhir+json").
			WithStatus(http.StatusNotAcceptable)
	}
	w.Header().Set("Content-Disposition", "attachment")
	fhirhttp.WriteAs(w, http.StatusOK, contentType, content)
	return true, nil
}
