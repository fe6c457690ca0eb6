package fhirhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

func TestRoutes(t *testing.T) {
	mux, server := http.NewServeMux(), fhirhttp.Server{}
	ok := server.Handle("ok", func(w *fhirhttp.Response, _ *http.Request) error {
		fhirhttp.Write(w, http.StatusOK, []byte(`{}`))
		return nil
	})
	mux.Handle("POST /fhir", ok)
	mux.Handle("GET /fhir/{type}/{id}", ok)
	mux.Handle("DELETE /fhir/{type}/{id}", ok)
	handler := server.Routes(mux)
	for _, test := range []struct {
		method, target string
		want           int
		allow          string
	}{
		{"POST", "/fhir", 200, ""},
		{"GET", "/fhir", 405, "POST"},
		{"BREW", "/fhir", 405, "POST"},
		{"GET", "/fhir/Patient/1", 200, ""},
		{"HEAD", "/fhir/Patient/1", 200, ""},
		{"PUT", "/fhir/Patient/1", 405, "GET, HEAD, DELETE"},
		{"GET", "/", 404, ""},
		{"POST", "/fhir/Patient/1/2", 404, ""},
		{"GET", "//fhir/Patient/1", 404, ""},
		{"GET", "/fhir/../fhir/Patient/1", 404, ""},
		{"GET", "/fhir/./Patient/1", 404, ""},
		{"POST", "/fhir//", 404, ""},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(test.method, test.target, nil))
		if got := w.Header().Get("Allow"); w.Code != test.want || got != test.allow {
			t.Errorf("%s %s: got %d, Allow %q; want %d, %q", test.method, test.target, w.Code, got, test.want, test.allow)
		}
	}
}

func TestHealth(t *testing.T) {
	works := func(context.Context) error { return nil }
	fails := func(context.Context) error { return errors.New("zqx-cause") }
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, test := range []struct {
		name, target string
		parts        fhirhttp.Parts
		status       int
		want         map[string]string
		after        time.Duration
	}{
		{"live whatever works", "/health/live", fhirhttp.Parts{"store": fails}, 200, map[string]string{"status": "live"}, 0},
		{"ready", "/health/ready", fhirhttp.Parts{"store": works, "queue": works}, 200, map[string]string{"store": "ready", "queue": "ready"}, 0},
		{"one fails", "/health/ready", fhirhttp.Parts{"store": fails, "queue": works}, 503, map[string]string{"store": "unavailable", "queue": "ready"}, 0},
		{"one hangs", "/health/ready", fhirhttp.Parts{"store": hangs, "queue": works}, 503, map[string]string{"store": "unavailable", "queue": "ready"}, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mux := http.NewServeMux()
				fhirhttp.RegisterHealth(mux, test.parts)
				w, start := httptest.NewRecorder(), time.Now()
				mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, test.target, nil))
				if got := time.Since(start); got != test.after {
					t.Errorf("answered after %v, want %v", got, test.after)
				}
				if w.Code != test.status || w.Header().Get("Content-Type") != "application/json" {
					t.Errorf("got %d %s, want %d application/json", w.Code, w.Header().Get("Content-Type"), test.status)
				}
				var got map[string]string
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("parts (-want +got):\n%s", diff)
				}
			})
		})
	}
}
