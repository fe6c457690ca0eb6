package ingest

import (
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// maxWait leaves API Gateway's 29 seconds room for the rest of the request.
const maxWait = 20 * time.Second

// wait returns how long the answer waits for the settlement. Whoever prefers both, respond-async and wait, is answered
// when the time is over (RFC 7240 §4.3).
func (s *Server) wait(prefer fhirhttp.Preferences) time.Duration {
	wait := s.DefaultWait
	switch {
	case s.Await == nil:
		return 0
	case prefer.Wait >= 0:
		wait = prefer.Wait
	case prefer.Async:
		return 0
	}
	return min(wait, maxWait)
}

// applied says which preferences the answer honours (RFC 7240 §3); reply is nil where that is 202.
func applied(w *fhirhttp.Response, prefer fhirhttp.Preferences, wait time.Duration, reply *fhirhttp.Reply) {
	var honoured []string
	if prefer.Async && reply == nil {
		honoured = append(honoured, "respond-async")
	}
	if prefer.Wait > 0 && wait > 0 {
		honoured = append(honoured, "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	if prefer.Return != "" && reply != nil && reply.Status < 300 {
		honoured = append(honoured, "return="+prefer.Return)
	}
	if len(honoured) > 0 {
		w.Header().Set("Preference-Applied", strings.Join(honoured, ", "))
	}
}
