package query_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// TestEveryRouteHasAnEventType: the line of a request says what it was, also when it is refused at once.
func TestEveryRouteHasAnEventType(t *testing.T) {
	var out bytes.Buffer
	refuse := func(*http.Request) (principal.Principal, error) {
		return principal.Principal{}, fhir.NewError(fhir.CodeLogin, "", "")
	}
	server := fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&out, nil))}
	r := &routes{}
	query.New(query.Config{BaseURL: &url.URL{}, HTTP: server, Authenticate: refuse}).Register(r)
	ingest.New(ingest.Config{HTTP: server, Authenticate: refuse}).Register(r)
	fill := strings.NewReplacer("{type}", "Task", "{id}", "0198c0de-0000-7000-8000-000000000001", "{version}", "1", "{$}", "")
	for _, route := range r.registered {
		out.Reset()
		method, path, _ := strings.Cut(fill.Replace(route), " ")
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
		var line struct{ EventType, Outcome string }
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.EventType == "" || line.EventType == "other" || line.Outcome == "" {
			t.Errorf("%s: got line %s, want one with an event type", route, &out)
		}
	}
}
