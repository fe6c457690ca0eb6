package ingest

import (
	"net/http"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// fillsTask tells a request that may make who has the scope fill the owner of a Task. Of no other does it matter who has.
func fillsTask(method string, target fhir.Target) bool {
	return (method == http.MethodPut || method == http.MethodPatch) && target.Type == "Task" && target.ID != ""
}

// fillsTasks is fillsTask for any of the entries of a Bundle.
func (s *Server) fillsTasks(bundle fhir.Bundle) bool {
	for _, entry := range bundle.Entries {
		request := entry.Get("request")
		target, ok := fhir.ParseTarget(strings.TrimPrefix(request.Get("url").Text(), s.base()))
		if ok && fillsTask(request.Get("method").Text(), target) {
			return true
		}
	}
	return false
}
