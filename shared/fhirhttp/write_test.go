package fhirhttp_test

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// writes answers with a body.
func writes(body string) fhirhttp.Handler {
	return func(w *fhirhttp.Response, _ *http.Request) error {
		fhirhttp.Write(w, http.StatusOK, []byte(body))
		return nil
	}
}

func TestAnswersAsAskedFor(t *testing.T) {
	for _, test := range []struct {
		target, accept string
		contentType    string
		body           string
	}{
		{"/", "", "application/fhir+json", `{"a":[1.50]}`},
		{"/", "*/*", "application/fhir+json", `{"a":[1.50]}`},
		{"/", "application/json", "application/json", `{"a":[1.50]}`},
		{"/", "text/json", "text/json", `{"a":[1.50]}`},
		{"/", "application/json, application/fhir+json", "application/fhir+json", `{"a":[1.50]}`},
		{"/", "application/json, application/fhir+json;q=0.9", "application/json", `{"a":[1.50]}`},
		{"/", "application/fhir+json;q=0, */*", "application/json", `{"a":[1.50]}`},
		{"/", "application/fhir+json; fhirVersion=4.0", "application/fhir+json", `{"a":[1.50]}`},
		{"/", "application/fhir+json; fhirVersion=5.0, application/json;q=0.1", "application/json", `{"a":[1.50]}`},
		{"/?_format=json", "application/json", "application/fhir+json", `{"a":[1.50]}`},
		{"/?_format=application/json", "", "application/json", `{"a":[1.50]}`},
		{"/?_pretty=true", "", "application/fhir+json", "{\n  \"a\": [\n    1.50\n  ]\n}"},
		{"/?_pretty=false", "", "application/fhir+json", `{"a":[1.50]}`},
	} {
		r := httptest.NewRequest(http.MethodGet, test.target, nil)
		r.Header.Set("Accept", test.accept)
		w := serve(t, writes(`{"a":[1.50]}`), r)
		if got := w.Header().Get("Content-Type"); got != test.contentType+"; charset=utf-8" || w.Body.String() != test.body {
			t.Errorf("%s, Accept: %s: got %s %s", test.target, test.accept, got, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/?_pretty=true", nil)
	w := serve(t, func(*fhirhttp.Response, *http.Request) error { return fhir.NewError(fhir.CodeNotFound, "", "") }, r)
	if !strings.HasPrefix(w.Body.String(), "{\n") {
		t.Errorf("an error is not pretty: %s", w.Body)
	}
}

func TestFHIRVersionsAreNotMixed(t *testing.T) {
	for accept, want := range map[string]int{
		"application/fhir+json; fhirVersion=4.0": 200, "application/fhir+json; fhirVersion=4.0.1": 200,
		"application/fhir+json; fhirVersion=5.0": 406, "application/fhir+json; fhirVersion=3.0, */*": 200,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got := statusOf(t, fhirhttp.CheckAccept(r)); got != want {
			t.Errorf("%s: got %d, want %d", accept, got, want)
		}
	}
}

func TestPrefers(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/pdf": true, "application/pdf, */*": false, "application/pdf, */*;q=0.5": true,
		"application/*": false, "application/fhir+json": false, "application/pdf;q=0.5, application/json": false, "image/png": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		if got := fhirhttp.Prefers(r, "application/pdf"); got != want {
			t.Errorf("%s: got %v, want %v", accept, got, want)
		}
	}
}

// Bodies are compressed for those who take it, where it pays.
func TestGzip(t *testing.T) {
	long := `{"a":"` + strings.Repeat("synthetic ", 500) + `"}`
	for _, test := range []struct {
		name, body, accept string
		want               bool
	}{
		{"long", long, "gzip", true},
		{"among others", long, "br;q=1.0, gzip;q=0.8, *;q=0.1", true},
		{"anything", long, "*", true},
		{"nothing said", long, "", false},
		{"another", long, "br", false},
		{"refused", long, "gzip;q=0, *", false},
		{"refused with all others", long, "*;q=0", false},
		{"tiny", `{"a":1}`, "gzip", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", test.accept)
		w := serve(t, writes(test.body), r)
		body, length := io.Reader(w.Body), w.Body.Len()
		if got := w.Header().Get("Content-Encoding"); (got == "gzip") != test.want {
			t.Errorf("%s: got Content-Encoding %q", test.name, got)
			continue
		}
		if test.want {
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != test.body {
			t.Errorf("%s: got %d bytes, %v", test.name, len(got), err)
		}
		if test.want && length > len(test.body)/4 {
			t.Errorf("%s: got %d bytes of %d", test.name, length, len(test.body))
		}
		if got := w.Header().Get("Vary"); (got != "") != (len(test.body) > 1000) {
			t.Errorf("%s: got Vary %q", test.name, got)
		}
	}
}

func TestProtectiveHeaders(t *testing.T) {
	plain, secure, proxied := get(), get(), get()
	secure.TLS = &tls.ConnectionState{}
	proxied.Header.Set("X-Forwarded-Proto", "https")
	for name, test := range map[string]struct {
		r    *http.Request
		want string
	}{"plain": {plain, ""}, "TLS": {secure, "max-age=31536000"}, "behind a proxy": {proxied, "max-age=31536000"}} {
		w := serve(t, writesEmpty, test.r)
		for header, want := range map[string]string{
			"Strict-Transport-Security": test.want, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Referrer-Policy": "no-referrer", "Server": "", "Set-Cookie": "",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, header, got, want)
			}
		}
	}
}

// What a form says of the answer counts as if it were in the URL.
func TestReadFormShapesTheAnswer(t *testing.T) {
	for body, want := range map[string]int{"_format=json&_pretty=true": 200, "_format=xml": 406, "a=%zz": 400} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := serve(t, func(w *fhirhttp.Response, r *http.Request) error {
			if _, err := fhirhttp.ReadForm(w, r, 100); err != nil {
				return err
			}
			return writes(`{"a":1}`)(w, r)
		}, r)
		if w.Code != want || want == 200 && w.Body.String() != "{\n  \"a\": 1\n}" {
			t.Errorf("%s: got %d %s", body, w.Code, w.Body)
		}
	}
}
