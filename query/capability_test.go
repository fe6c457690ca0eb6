package query_test

import (
	"net/http"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

func TestMetadataNeedsNoKeyAndNoStore(t *testing.T) {
	s := newServerOn(t, nowhere)
	w := s.get("", "/fhir/metadata")
	statement := parse(t, w)
	for path, want := range map[string]string{
		"resourceType": "CapabilityStatement", "status": "active", "kind": "instance", "fhirVersion": "4.0.1", "date": "2026-11-22",
	} {
		if got := statement.Get(path).Text(); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := statement.At("implementation", "url").Text(); got != "https://referral.example/fhir" {
		t.Errorf("implementation.url: got %q", got)
	}
	if got := s.get("", "/fhir/metadata", "Accept", "application/fhir+xml").Code; got != http.StatusNotAcceptable {
		t.Errorf("as XML: got %d, want 406", got)
	}
}

// What the statement names is served, in strict handling too, and no type is served that it does not name.
func TestMetadataAndRoutesAgree(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := s.get("", "/fhir/metadata")
	resources := valid(t, w.Code, parse(t, w)).At("rest").Items()[0].Get("resource").Items()
	named := map[string]bool{}
	for i := range resources {
		resource := &resources[i]
		resourceType := resource.Get("type").Text()
		named[resourceType] = true
		for j := range resource.Get("interaction").Items() {
			absent := "/fhir/" + resourceType + "/" + referral.UUID{1}.String()
			switch code := resource.Get("interaction").Items()[j].Get("code").Text(); code {
			case "read", "vread", "history-instance":
				target := absent + map[string]string{"vread": "/_history/1", "history-instance": "/_history"}[code]
				if got := parse(t, s.get("dev-sender", target)).At("issue", "code").Text(); got != "not-found" {
					t.Errorf("%s of %s: got %s, want not-found", code, resourceType, got)
				}
			case "history-type":
				if got := s.get("dev-sender", "/fhir/"+resourceType+"/_history").Code; got != http.StatusOK {
					t.Errorf("history of %s: got %d", resourceType, got)
				}
			case "create", "update", "patch", "delete": // ingest's
			case "search-type":
				if got := s.get("dev-sender", "/fhir/"+resourceType).Code; got != http.StatusOK {
					t.Errorf("search of %s: got %d", resourceType, got)
				}
			default:
				t.Errorf("%s: nothing is known of the interaction %s", resourceType, code)
			}
		}
		params := resource.Get("searchParam").Items()
		for j := range params {
			target := "/fhir/" + resourceType + "?" + params[j].Get("name").Text() + "=2026"
			if got := s.get("dev-sender", target, "Prefer", "handling=strict").Code; got != http.StatusOK {
				t.Errorf("%s: got %d", target, got)
			}
		}
		if known, _ := search.Params(resourceType); len(params) != len(known)+len(search.Common())+1 {
			t.Errorf("%s: got %d parameters, want those of the table, the common ones and _id", resourceType, len(params))
		}
	}
	for _, resourceType := range append(search.Types(), "Basic", "Bundle", "Binary") {
		if got := s.get("dev-sender", "/fhir/"+resourceType).Code == http.StatusOK; got != named[resourceType] {
			t.Errorf("%s: served %v, named %v", resourceType, got, named[resourceType])
		}
	}
}
