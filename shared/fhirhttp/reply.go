package fhirhttp

import (
	"maps"
	"net/http"
)

// Reply is an answer that is made before it is written, where making and writing it are different parts' work.
type Reply struct {
	Status int
	Header http.Header // beside those of every FHIR answer
	Body   []byte      // a FHIR resource; nil: none
}

// Write sends r.
func (r *Reply) Write(w *Response) {
	maps.Copy(w.Header(), r.Header)
	if r.Body == nil {
		w.WriteHeader(r.Status)
		return
	}
	Write(w, r.Status, r.Body)
}
