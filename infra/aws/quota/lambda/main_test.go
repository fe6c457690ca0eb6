package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// newService answers as API Gateway does (API Gateway API Reference, GetUsage), a page of one key at a time.
func newService(t testing.TB) *httptest.Server {
	t.Helper()
	pages := map[string]string{
		"":  `{"usagePlanId":"plan1","startDate":"2026-11-23","endDate":"2026-11-23","position":"2","values":{"key1":[[80000,20000]]}}`,
		"2": `{"usagePlanId":"plan1","values":{"key2":[[1,99999]],"key3":[]}}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		signed := strings.Contains(r.Header.Get("Authorization"), "/ap-southeast-2/apigateway/aws4_request")
		if r.URL.Path != "/usageplans/plan1/usage" || !signed || q.Get("startDate") != q.Get("endDate") || q.Get("startDate") == "" {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, pages[q.Get("position")])
	}))
	t.Cleanup(s.Close)
	for name, value := range map[string]string{
		"AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL_API_GATEWAY": s.URL,
	} {
		t.Setenv(name, value)
	}
	return s
}

func TestUsage(t *testing.T) {
	s := newService(t)
	configuration, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := gateway{configuration, s.URL}.usage(t.Context(), "plan1", "2026-11-23")
	if err != nil {
		t.Fatal(err)
	}
	percents := map[string]int64{}
	for key, u := range got {
		percents[key] = u.percent()
	}
	if diff := cmp.Diff(map[string]int64{"key1": 80, "key2": 0}, percents); diff != "" {
		t.Errorf("percents (-want +got):\n%s", diff)
	}
}

func TestRefusedIsAnError(t *testing.T) {
	newService(t)
	for plan, want := range map[string]string{"plan1": "", "another": "API Gateway answered 403"} {
		handler, err := start(t.Context(), settings(map[string]string{"REFERRAL_USAGE_PLAN": plan}))
		if err != nil {
			t.Fatal(err)
		}
		err = handler.(func(context.Context) error)(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", plan, err, want)
		}
	}
	if _, err := start(t.Context(), settings(nil)); err == nil || !strings.Contains(err.Error(), "REFERRAL_USAGE_PLAN") {
		t.Errorf("got error %v, want that it names REFERRAL_USAGE_PLAN", err)
	}
}

// settings are values, and where the service is.
func settings(values map[string]string) *env.Settings {
	return env.Read(func(name string) (string, bool) {
		if name == "AWS_ENDPOINT_URL_API_GATEWAY" {
			return os.LookupEnv(name)
		}
		value, ok := values[name]
		return value, ok
	})
}
