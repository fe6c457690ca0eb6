package fhirhttp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

const page = "https://app.example.org"

// guarded refuses everybody, as a server does whose callers show no key.
var guarded = fhirhttp.Server{}.Handle("GET /fhir", func(*fhirhttp.Response, *http.Request) error {
	return fhir.NewError(fhir.CodeLogin, "", "An API key is needed")
})

// ask sends a request with headers, given as name and value in turn.
func ask(h http.Handler, method string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/fhir/Patient/1", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// corsOf returns what the answer says to browsers.
func corsOf(answer *http.Response) map[string]string {
	got := map[string]string{}
	for name, values := range answer.Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			got[name] = strings.Join(values, "; ")
		}
	}
	return got
}

func TestCORS(t *testing.T) {
	const preflightVary = "Origin; Access-Control-Request-Method, Access-Control-Request-Headers"
	const exposed = "Accept-Patch, Allow, Content-Location, ETag, Last-Modified, Location, Preference-Applied, RateLimit, " +
		"RateLimit-Policy, Retry-After, X-Progress, X-Request-ID"
	preflight := []string{"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "zqx-invented"}
	one := fhirhttp.CORS{Origins: []string{"http://localhost:3000", page}, Methods: []string{"GET", "POST"}, Headers: []string{"X-Api-Key"}, MaxAge: 90 * time.Second}
	allowed := map[string]string{
		"Access-Control-Allow-Origin": page, "Access-Control-Allow-Methods": "GET, POST",
		"Access-Control-Allow-Headers": "X-Api-Key", "Access-Control-Max-Age": "90", "Vary": preflightVary,
	}
	for _, test := range []struct {
		name    string
		cors    fhirhttp.CORS
		method  string
		headers []string
		status  int
		want    map[string]string
	}{
		{"preflight of a page, without a key", one, "OPTIONS", append(preflight, "Origin", page), 204, allowed},
		{"preflight with what is usual", fhirhttp.CORS{Origins: []string{page}}, "OPTIONS", append(preflight, "Origin", page), 204, map[string]string{
			"Access-Control-Allow-Origin": page, "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
			"Access-Control-Allow-Headers": "Accept, Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, " +
				"If-Modified-Since, If-None-Exist, If-None-Match, Prefer, Traceparent, X-Api-Key, X-Request-ID",
			"Access-Control-Max-Age": "0", "Vary": preflightVary,
		}},
		{"request of a page", one, "GET", []string{"Origin", page}, 401, map[string]string{
			"Access-Control-Allow-Origin": page, "Access-Control-Expose-Headers": exposed, "Vary": "Origin",
		}},
		{"OPTIONS that is no preflight", one, "OPTIONS", []string{"Origin", page}, 401, map[string]string{
			"Access-Control-Allow-Origin": page, "Access-Control-Expose-Headers": exposed, "Vary": "Origin",
		}},
		{"request of no page", one, "GET", nil, 401, map[string]string{"Vary": "Origin"}},
		{"preflight of another page", one, "OPTIONS", append(preflight, "Origin", "https://evil.example"), 401, map[string]string{"Vary": preflightVary}},
		{"off", fhirhttp.CORS{}, "OPTIONS", append(preflight, "Origin", page), 401, map[string]string{}},
		{"off for want of a real origin", fhirhttp.CORS{Origins: []string{"*", "null", ""}}, "OPTIONS", append(preflight, "Origin", page), 401, map[string]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(test.cors.Handler(guarded), test.method, test.headers...)
			if answer.StatusCode != test.status {
				t.Errorf("got status %d, want %d", answer.StatusCode, test.status)
			}
			if diff := cmp.Diff(test.want, corsOf(answer)); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCORSIsForExactOrigins(t *testing.T) {
	h := fhirhttp.CORS{Origins: []string{page, "null", "*"}}.Handler(guarded)
	for _, origin := range [][]string{
		{"null"}, {"*"}, {""}, {"http://app.example.org"}, {"https://app.example.org:443"}, {"https://app.example.org:8443"},
		{"https://app.example.org/"}, {"https://APP.example.org"}, {"https://app.example.org.evil.example"},
		{"https://evil.app.example.org"}, {"https://app.example.org@evil.example"}, {" " + page}, {page + " https://evil.example"},
		{page, "https://evil.example"}, {"https://evil.example", page},
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			headers := []string{"Access-Control-Request-Method", "GET"}
			for _, value := range origin {
				headers = append(headers, "Origin", value)
			}
			for name, got := range corsOf(ask(h, method, headers...)) {
				if name != "Vary" {
					t.Errorf("%s from %q: got %s: %s, want none", method, origin, name, got)
				}
			}
		}
	}
}

func TestCORSFromSettings(t *testing.T) {
	for _, test := range []struct {
		name, variable, value, wrong string
	}{
		{"https", "REFERRAL_CORS_ORIGINS", "https://app.example.org, https://app.example.org:8443", ""},
		{"on this machine", "REFERRAL_CORS_ORIGINS", "http://localhost:3000,http://127.0.0.1:3000,http://[::1]:3000", ""},
		{"any", "REFERRAL_CORS_ORIGINS", "*", "REFERRAL_CORS_ORIGINS"},
		{"null", "REFERRAL_CORS_ORIGINS", "https://app.example.org,null", "REFERRAL_CORS_ORIGINS"},
		{"wildcard", "REFERRAL_CORS_ORIGINS", "https://*.example.org", "REFERRAL_CORS_ORIGINS"},
		{"path", "REFERRAL_CORS_ORIGINS", "https://app.example.org/", "REFERRAL_CORS_ORIGINS"},
		{"default port", "REFERRAL_CORS_ORIGINS", "https://app.example.org:443", "REFERRAL_CORS_ORIGINS"},
		{"no port", "REFERRAL_CORS_ORIGINS", "https://app.example.org:", "REFERRAL_CORS_ORIGINS"},
		{"padded port", "REFERRAL_CORS_ORIGINS", "https://app.example.org:08443", "REFERRAL_CORS_ORIGINS"},
		{"capitals", "REFERRAL_CORS_ORIGINS", "https://App.example.org", "REFERRAL_CORS_ORIGINS"},
		{"user", "REFERRAL_CORS_ORIGINS", "https://user@app.example.org", "REFERRAL_CORS_ORIGINS"},
		{"other scheme", "REFERRAL_CORS_ORIGINS", "file://app", "REFERRAL_CORS_ORIGINS"},
		{"host only", "REFERRAL_CORS_ORIGINS", "app.example.org", "REFERRAL_CORS_ORIGINS"},
		{"methods", "REFERRAL_CORS_METHODS", "GET,POST", ""},
		{"any method", "REFERRAL_CORS_METHODS", "*", "REFERRAL_CORS_METHODS"},
		{"headers", "REFERRAL_CORS_HEADERS", "X-Api-Key, Content-Type", ""},
		{"any header", "REFERRAL_CORS_HEADERS", "*", "REFERRAL_CORS_HEADERS"},
		{"broken header", "REFERRAL_CORS_HEADERS", "X-Api-Key\r\nSet-Cookie: a=b", "REFERRAL_CORS_HEADERS"},
		{"age", "REFERRAL_CORS_MAX_AGE", "2h", ""},
		{"too old", "REFERRAL_CORS_MAX_AGE", "25h", "REFERRAL_CORS_MAX_AGE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := env.Read(func(name string) (string, bool) { return test.value, name == test.variable })
			fhirhttp.CORSFromSettings(v)
			got := ""
			if err := v.Err(); err != nil {
				got = err.Error()
			}
			if (got == "") != (test.wrong == "") || !strings.Contains(got, test.wrong) {
				t.Errorf("%s=%s: got error %q, want one of %q", test.variable, test.value, got, test.wrong)
			}
		})
	}
}
