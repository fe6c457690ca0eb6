package fhirhttp

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
)

// ReadBody reads the body of r, decoded from gzip where it is, and returns it with its media type without
// parameters. limit is in bytes after decoding; root is the expression of errors, such as Bundle. Errors are
// *fhir.Error: 413 beyond the limit, 415 for another type, charset, FHIR version or encoding, 400 for a body that is
// cut short or has something behind its end.
func ReadBody(w http.ResponseWriter, r *http.Request, root string, limit int64) (body []byte, mediaType string, err error) {
	if mediaType, err = contentType(r); err != nil {
		return nil, "", err
	}
	body, err = readDecoded(w, r, root, limit)
	return body, mediaType, err
}

// ReadPatch is ReadBody for a JSON Patch, whose media type is application/json-patch+json (RFC 6902 §6).
func ReadPatch(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != patch.ContentType {
		w.Header().Set("Accept-Patch", patch.ContentType)
		return nil, fhir.NewError(fhir.CodeNotSupported, "", "A patch is a JSON Patch: Content-Type "+patch.ContentType).
			WithStatus(http.StatusUnsupportedMediaType)
	}
	return readDecoded(w, r, "", limit)
}

// readDecoded is ReadBody of any media type.
func readDecoded(w http.ResponseWriter, r *http.Request, root string, limit int64) (body []byte, err error) {
	tooLong := fhir.NewError(fhir.CodeTooLong, root, fmt.Sprintf("The body is larger than %d bytes", limit))
	if r.ContentLength > limit {
		return nil, tooLong
	}
	reader := io.Reader(http.MaxBytesReader(w, r.Body, limit))
	switch encoding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")); encoding {
	case "", "identity":
		body, err = readAll(reader, r.ContentLength, limit)
	case "gzip":
		body, err = gunzip(reader, limit)
	default:
		return nil, fhir.NewError(fhir.CodeNotSupported, "", "Content-Encoding is gzip, once, or absent").
			WithStatus(http.StatusUnsupportedMediaType)
	}
	_, oversize := errors.AsType[*http.MaxBytesError](err)
	switch {
	case oversize || int64(len(body)) > limit:
		return nil, tooLong
	case err != nil:
		return nil, fhir.NewError(fhir.CodeStructure, root, "The body is incomplete or its encoding is broken")
	case len(body) == 0:
		return nil, fhir.NewError(fhir.CodeStructure, root, "The body is empty")
	}
	return body, nil
}

// announced is what of an announced size is taken before any of it has come.
const announced = 64 << 10

// readAll reads up to limit+1 bytes into a buffer of the announced size, if that is not large.
func readAll(reader io.Reader, size, limit int64) ([]byte, error) {
	var b bytes.Buffer
	if size > 0 && size <= limit {
		b.Grow(int(min(size, announced)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(reader, limit+1))
	return b.Bytes(), err
}

// gunzip decodes exactly one member (RFC 1952) with nothing behind it.
func gunzip(reader io.Reader, limit int64) ([]byte, error) {
	source := bytes.NewBuffer(nil)
	if _, err := source.ReadFrom(reader); err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(source)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	body, err := readAll(z, 0, limit)
	if err == nil && int64(len(body)) <= limit && source.Len() > 0 {
		return nil, errors.New("bytes behind the gzip member")
	}
	return body, err
}

func contentType(r *http.Request) (string, error) {
	unsupported := fhir.NewError(fhir.CodeNotSupported, "",
		"Content-Type is application/fhir+json or application/json in UTF-8, FHIR version 4.0; XML is not supported").
		WithStatus(http.StatusUnsupportedMediaType)
	media, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/fhir+json" && media != "application/json" {
		return "", unsupported
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return "", unsupported
	}
	if version, ok := parameters["fhirversion"]; ok && version != "4.0" && version != "4.0.1" {
		return "", unsupported
	}
	return media, nil
}
