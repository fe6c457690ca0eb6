package fhirhttp

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/klauspost/compress/gzip"
)

// MediaType is the type of a FHIR body whose reader names no other (FHIR R4 http.html#mime-type).
const MediaType = "application/fhir+json; charset=utf-8"

// Write sends a FHIR resource in the form that the caller asked for.
func Write(w *Response, status int, body []byte) {
	contentType := MediaType
	if w.form.mediaType != "" {
		contentType = w.form.mediaType + "; charset=utf-8"
	}
	if w.form.pretty {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			body = b.Bytes()
		}
	}
	WriteAs(w, status, contentType, body)
}

// WriteAs sends a body of a content type, compressed if the caller takes that and it pays.
func WriteAs(w *Response, status int, contentType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	if len(body) >= minGzip {
		header.Add("Vary", "Accept-Encoding")
		if w.form.gzip {
			if packed := pack(body); len(packed) < len(body)*7/8 {
				header.Set("Content-Encoding", "gzip")
				body = packed
			}
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // G705: with its own content type, in a sandbox; and the client's loss if it has gone
}

// minGzip is what fits into one packet with its headers: to send less saves nobody time.
const minGzip = 1 << 10

// pack keeps no state between answers and takes little memory for one: a level for many small bodies.
func pack(body []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.StatelessCompression)
	if err != nil {
		panic("fhirhttp: the level of compression is one of the package: " + err.Error())
	}
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	return b.Bytes()
}
