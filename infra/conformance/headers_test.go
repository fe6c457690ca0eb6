package conformance

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// protected returns where the header of an answer is not what every answer's is: none is kept, guessed at, framed or run,
// no page of another origin reads it, and it tells nothing of the software (RELIABILITY §5.2).
func protected(header http.Header) (failures []string) {
	for name, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"Cache-Control":           "no-store",
		"Content-Security-Policy": "default-src 'none'; sandbox",
		"Referrer-Policy":         "no-referrer",
	} {
		if got := header.Get(name); got != want {
			failures = append(failures, "got "+name+" "+got+", want "+want)
		}
	}
	for _, name := range []string{"Server", "X-Powered-By", "Set-Cookie", "Access-Control-Allow-Origin"} {
		if header.Get(name) != "" {
			failures = append(failures, "got a header "+name+", want none")
		}
	}
	return failures
}

// routes are all that is served, each with what is there for anybody, and what nobody serves.
var routes = []string{
	"/health/live", "/health/ready", "/openapi.yaml", "/fhir/metadata", "/fhir", "/fhir/", "/fhir/$validate", "/fhir/$process-message",
	"/fhir/Bundle", "/fhir/Patient", "/fhir/Patient/$validate", "/fhir/Patient/_search", "/fhir/_history",
	"/fhir/Patient/01934f6e-0000-7000-8000-000000000000", "/fhir/Patient/01934f6e-0000-7000-8000-000000000000/_history",
	"/fhir/Patient/01934f6e-0000-7000-8000-000000000000/_history/1", "/fhir/Patient/01934f6e-0000-7000-8000-000000000000/$everything",
	"/fhir/ServiceRequest/01934f6e-0000-7000-8000-000000000000/$everything", "/fhir/AuditEvent", "/fhir/AuditEvent/1",
	"/fhir/_status/invented", "/referrals", "/referrals/invented", "/referrals/invented/bundle", "/", "/nothing", "//fhir", "/fhir/../fhir",
}

// headers holds that every answer of every address has the headers of every answer, whatever it is asked for and by whom,
// and that a 405 says what is allowed.
func (c corpusRun) headers(t *testing.T) {
	s := stack{base: c.base, prefer: "wait=20"}
	for _, route := range routes {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			for _, key := range []string{"dev-sender", "dev-operator", "wrong"} {
				a, err := s.send(t.Context(), method, route, [][2]string{{"X-Api-Key", key}, {"Origin", "https://page.example"}, {"Prefer", "respond-async"}}, "")
				if err != nil {
					t.Fatal(err)
				}
				for _, failure := range protected(a.header) {
					t.Errorf("%s %s as %s, %d: %s", method, route, key, a.status, failure)
				}
				if a.header.Get("Allow") == "" && a.status == http.StatusMethodNotAllowed {
					t.Errorf("%s %s as %s: got 405 without Allow", method, route, key)
				}
				if a.status/100 == 3 {
					t.Errorf("%s %s as %s: got %d, want no redirect", method, route, key, a.status)
				}
			}
		}
	}
	attachments(t, s)
}

// attachments: what was sent as a file comes back as one to keep, whoever asks for it by its type, and as nothing else.
func attachments(t *testing.T, s stack) {
	t.Helper()
	for contentType, content := range map[string]string{"text/plain": "a <script>x()</script>", "image/png": "\x89PNG\r\n\x1a\n<script>x()</script>"} {
		a, err := s.send(t.Context(), http.MethodPost, "/fhir/Binary", nil,
			`{"resourceType":"Binary","contentType":"`+contentType+`","data":"`+base64.StdEncoding.EncodeToString([]byte(content))+`"}`)
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("%s: got %d %s, error %v; want 201", contentType, a.status, a.body, err)
		}
		location, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Location"), s.base), "/_history")
		a, err = s.send(t.Context(), http.MethodGet, location, [][2]string{{"Accept", contentType}}, "")
		if err != nil {
			t.Fatal(err)
		}
		failures := protected(a.header)
		if a.status != http.StatusOK || string(a.body) != content || a.header.Get("Content-Disposition") != "attachment" ||
			a.header.Get("Content-Type") != contentType || len(failures) > 0 {
			t.Errorf("%s: got %d, %v, %q, %v", contentType, a.status, a.header, a.body, failures)
		}
	}
}
