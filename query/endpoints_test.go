package query_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/query"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// routes is a mux that also knows what was registered.
type routes struct {
	http.ServeMux
	registered []string
}

func (r *routes) Handle(pattern string, handler http.Handler) {
	r.registered = append(r.registered, pattern)
	r.ServeMux.Handle(pattern, handler)
}

// allRoutes are those of a process that has all parts.
func allRoutes() *routes {
	r := &routes{}
	query.New(query.Config{BaseURL: &url.URL{Scheme: "https", Host: "referral.example"}}).Register(r)
	ingest.New(ingest.Config{}).Register(r)
	return r
}

func get(r *routes, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

// What /openapi.yaml describes is what is registered, and nothing else is.
func TestOpenAPIAndRoutesAgree(t *testing.T) {
	r := allRoutes()
	want := map[string]bool{"GET /fhir/{type}/_history": true} // served by the route of a read
	for _, route := range r.registered {
		want[strings.TrimSuffix(route, "/{$}")] = true
	}
	w := get(r, "/openapi.yaml")
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "application/yaml" {
		t.Errorf("got %d %s", w.Code, got)
	}
	var description struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal(w.Body.Bytes(), &description); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for path, item := range description.Paths {
		for method := range item {
			if method != "parameters" { // of all methods
				got[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("routes (-registered +described):\n%s", diff)
	}
}

// Each interaction and operation of the CapabilityStatement leads to a route of its own, and each such route is named.
func TestMetadataNamesEveryInteraction(t *testing.T) {
	r := allRoutes()
	rest := parse(t, get(r, "/fhir/metadata")).At("rest")
	system := map[string]bool{"transaction": true, "batch": true, "history-system": true, "$validate": true, "$process-message": true}
	every := map[string]bool{
		"read": true, "vread": true, "update": true, "patch": true, "delete": true, "history-instance": true, "history-type": true,
		"create": true, "search-type": true, "$validate": true,
	}
	withEverything := maps.Clone(every)
	withEverything["$everything"] = true
	if diff := cmp.Diff(system, named(&rest.Items()[0])); diff != "" {
		t.Errorf("the system (-want +got):\n%s", diff)
	}
	resources := rest.Items()[0].Get("resource").Items()
	for i := range resources {
		name, want := resources[i].Get("type").Text(), every
		if _, pattern := r.Handler(httptest.NewRequest(http.MethodPost, "/fhir/"+name+"/1/$everything", nil)); pattern != "" {
			want = withEverything
		}
		if diff := cmp.Diff(want, named(&resources[i])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// named are the codes of interactions, and with $ the names of operations.
func named(v *fhir.Value) map[string]bool {
	names := map[string]bool{}
	interactions, operations := v.Get("interaction").Items(), v.Get("operation").Items()
	for i := range interactions {
		names[interactions[i].Get("code").Text()] = true
	}
	for i := range operations {
		names["$"+operations[i].Get("name").Text()] = true
	}
	return names
}
