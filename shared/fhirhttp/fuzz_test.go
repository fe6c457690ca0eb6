package fhirhttp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// FuzzReadBody holds that a body, in whatever encoding, is refused with a 4xx or no longer than the limit.
func FuzzReadBody(f *testing.F) {
	f.Add("", []byte("{}"))
	f.Add("gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x04\x00\x00\x00\xff\xff"))
	f.Add("gzip, gzip", []byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, encoding string, content []byte) {
		const limit = 1 << 10
		r := httptest.NewRequest(http.MethodPost, "/fhir", bytes.NewReader(content))
		r.Header = http.Header{"Content-Type": {"application/fhir+json"}, "Content-Encoding": {encoding}}
		body, _, err := fhirhttp.ReadBody(httptest.NewRecorder(), r, "Bundle", limit)
		e, told := errors.AsType[*fhir.Error](err)
		switch {
		case err == nil && (len(body) == 0 || len(body) > limit):
			t.Errorf("got %d bytes", len(body))
		case err != nil && (!told || fhirhttp.Status(e)/100 != 4):
			t.Errorf("got %v, want an *fhir.Error with a status of 4xx", err)
		}
	})
}

// FuzzLog holds that a request, whatever is in it, is one line of JSON in the log, which has nothing of path, query and
// header in it but a request id of letters.
func FuzzLog(f *testing.F) {
	for _, seed := range []string{"zqx", "zqx\r\n{\"level\":\"ERROR\"}", "zqx\x1b[31m", "zqx\u2028", "zqx\xff", strings.Repeat("zqx", 10<<10)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var log bytes.Buffer
		server := fhirhttp.Server{Log: slog.New(slog.NewJSONHandler(&log, nil))}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.URL = &url.URL{Path: "/zqx" + text, RawQuery: "zqx" + text}
		r.Header = http.Header{"X-Request-Id": {"zqx " + text}, "User-Agent": {"zqx" + text}, "Traceparent": {"zqx" + text}}
		server.Handle("GET /fhir/{type}", func(*fhirhttp.Response, *http.Request) error {
			return fhir.NewError(fhir.CodeNotFound, "", "")
		}).ServeHTTP(httptest.NewRecorder(), r)
		line := log.Bytes()
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 || bytes.Contains(line, []byte("zqx")) {
			t.Errorf("got %s, want one line that tells nothing", line)
		}
	})
}
