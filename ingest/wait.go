package ingest

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// maxWait leaves API Gateway's 29 seconds room for the rest of the request.
const maxWait = 20 * time.Second

// wait returns how long the answer may wait for the settlement.
func (s *Server) wait(prefer fhirhttp.Preferences) time.Duration {
	switch {
	case s.Await == nil || prefer.Async:
		return 0
	case prefer.Wait >= 0:
		return min(prefer.Wait, maxWait)
	}
	return min(s.DefaultWait, maxWait)
}

// applied says which preferences the answer honours (RFC 7240 §3).
func applied(w *fhirhttp.Response, prefer fhirhttp.Preferences, wait time.Duration) {
	var honoured []string
	if prefer.Wait >= 0 {
		honoured = append(honoured, "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	if prefer.Return != "" {
		honoured = append(honoured, "return="+prefer.Return)
	}
	if len(honoured) > 0 {
		w.Header().Set("Preference-Applied", strings.Join(honoured, ", "))
	}
}

// log tells the operator why the answer does not wait, which is no fault of the request: it is accepted.
func (s *Server) log(ctx context.Context, err error) {
	if s.HTTP.Log != nil {
		s.HTTP.Log.LogAttrs(ctx, slog.LevelWarn, "wait", slog.String("error", err.Error()))
	}
}
