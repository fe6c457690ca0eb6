package awslambda_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
)

// TestResponse: the same answer in the shape that each sender takes.
func TestResponse(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
		w.Header()["Vary"] = []string{"Accept", "Origin"}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)   // too late
		w.Header().Set("X-Late", "unseen") // too late
		fmt.Fprint(w, `{"div":"<b>&amp;</b>"}`)
	}
	joined := map[string]any{"Content-Type": "application/fhir+json; charset=utf-8", "Vary": "Accept, Origin"}
	joinedWithCookies := map[string]any{"Content-Type": "application/fhir+json; charset=utf-8", "Vary": "Accept, Origin", "Set-Cookie": "a=1, b=2"}
	multi := map[string]any{
		"Content-Type": []any{"application/fhir+json; charset=utf-8"}, "Vary": []any{"Accept", "Origin"}, "Set-Cookie": []any{"a=1", "b=2"},
	}
	cookies := []any{"a=1", "b=2"}
	for shape, want := range map[string]map[string]any{
		"rest-v1":         {"multiValueHeaders": multi},
		"http-v2":         {"headers": joined, "cookies": cookies},
		"function-url":    {"headers": joined, "cookies": cookies},
		"alb":             {"headers": joinedWithCookies, "statusDescription": "202 Accepted"},
		"alb-multi-value": {"multiValueHeaders": multi, "statusDescription": "202 Accepted"},
	} {
		t.Run(shape, func(t *testing.T) {
			want["statusCode"], want["body"], want["isBase64Encoded"] = 202.0, `{"div":"<b>&amp;</b>"}`, false
			if diff := cmp.Diff(want, invoke(t, load(t, shape), answer)); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResponseBody(t *testing.T) {
	quotes := strings.Repeat(`"`, 1000)
	for _, test := range []struct {
		name, method string
		handler      http.HandlerFunc
		status       int
		body         string
		base64       bool
		contentType  string
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, 200, "", false, ""},
		{"text", "GET", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "é <b>") }, 200, "é <b>", false, "text/plain; charset=utf-8"},
		{"no content", "DELETE", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent); fmt.Fprint(w, "x") }, 204, "", false, ""},
		{"not modified", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
			fmt.Fprint(w, "x")
		}, 304, "", false, ""},
		{"early hints", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
		}, 404, "", false, ""},
		{"head", "HEAD", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }, 200, "", false, ""},
		{"binary", "GET", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte{0xff, 0, 0xff}) }, 200, "\xff\x00\xff", true, "application/octet-stream"},
		{"compressed", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "as if")
		}, 200, "as if", true, "application/json"},
		{"escapes would cost more", "GET", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, quotes) }, 200, quotes, true, "text/plain; charset=utf-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := load(t, "http-v2")
			e.at("requestContext", "http")["method"] = test.method
			response := invoke(t, e, test.handler)
			got := response["body"].(string)
			if test.base64 {
				decoded, err := base64.StdEncoding.DecodeString(got)
				if err != nil {
					t.Fatal(err)
				}
				got = string(decoded)
			}
			if got != test.body || response["isBase64Encoded"] != test.base64 || response["statusCode"] != float64(test.status) {
				t.Errorf("got %v, want %d and body %q, base64 %v", response, test.status, test.body, test.base64)
			}
			headers, _ := response["headers"].(map[string]any)
			if contentType, _ := headers["Content-Type"].(string); test.contentType != contentType {
				t.Errorf("got Content-Type %q, want %q", contentType, test.contentType)
			}
		})
	}
}

// TestLargestAnswerFits: 4 MiB of whatever fits into the 6 MB of an invocation.
func TestLargestAnswerFits(t *testing.T) {
	const most, limit = 4 << 20, 6291556
	for name, unit := range map[string]string{"plain": "a", "quotes": `"`, "control": "\x01", "HTML": "<", "U+2028": "\u2028", "mixed": `{"a":"b"},`, "binary": "\xff"} {
		content := strings.Repeat(unit, most/len(unit))
		handler := awslambda.Handle(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, content) }))
		answer, err := handler.Invoke(t.Context(), load(t, "rest-v1").payload(t))
		if err != nil || len(answer) > limit {
			t.Errorf("%s: got %d bytes, error %v; want at most %d", name, len(answer), err, limit)
		}
	}
}
