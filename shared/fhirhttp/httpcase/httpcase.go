// Package httpcase replays HTTP exchanges written down as files, one exchange a file, so that every host of a
// handler (net/http, a Lambda adapter) is held to the same ones. Only tests import it.
//
// It promises that an answer is compared as a whole, but for what must vary, and that whatever a file wants, an
// answer of 400 and above is an OperationOutcome and every answer has the headers of package fhirhttp. What a
// request leaves behind, such as messages, is for the test that replays it to look at.
//
// A file is in txtar format: text that says what the case shows, then these sections.
//
//	-- request --
//	POST /fhir
//	X-Api-Key: dev-sender
//
//	the body, without the last line's end
//	-- edit --
//	file referrals/cardiology-referral.json
//	replace `"active": true` `"active": "true"`
//	-- response --
//	400 Bad Request
//	Content-Type: application/fhir+json; charset=utf-8
//
//	the body, JSON indented
//
// The section edit may be absent. Its lines change the body, one after the other; texts are Go strings, in "" or in
// backquotes, numbers are of bytes:
//
//	file NAME         the body is that file of testdata
//	replace OLD NEW   where OLD stands, exactly once, stands NEW
//	append TEXT       TEXT follows
//	repeat TEXT N     TEXT follows N times
//	pad N             spaces follow until the body has N bytes
//	cut N             the last N bytes go
//	gzip              the body is compressed
//
// The section response is last, and is what updating rewrites; {submission}, {request} and, in the header Location,
// {resource} stand for the id of such.
package httpcase

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Case is one exchange.
type Case struct {
	Name    string // of the file, without .txtar
	Method  string
	Target  string // path and query
	Header  http.Header
	Body    []byte // as sent
	Content []byte // Body before it was encoded

	path     string
	request  string // the file up to the response
	response string // as wanted
}

// Load reads the cases in the folder http of testdata whose files match pattern, such as "submit-*".
func Load(t testing.TB, testdata, pattern string) []Case {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testdata, "http", pattern+".txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d cases, error %v for %s; want some", len(paths), err, pattern)
	}
	cases := make([]Case, len(paths))
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if cases[i], err = parse(string(text), testdata); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		cases[i].Name, cases[i].path = strings.TrimSuffix(filepath.Base(path), ".txtar"), path
	}
	return cases
}

// Request returns the case's request, as a server receives it.
func (c Case) Request() *http.Request {
	r := httptest.NewRequest(c.Method, c.Target, bytes.NewReader(c.Body))
	r.Header = c.Header.Clone()
	return r
}

// Replay sends the request to handler, compares the answer with the one that is wanted, or with update writes it
// down as wanted, and returns it.
func (c Case) Replay(t testing.TB, handler http.Handler, update bool) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, c.Request())
	checkAlways(t, w)
	got := render(w)
	if update {
		if err := os.WriteFile(c.path, []byte(c.request+got), 0o600); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if diff := cmp.Diff(c.response, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	return w
}

// always are the headers of every answer. X-Request-ID has any value.
var always = map[string]string{
	"X-Content-Type-Options":  "nosniff",
	"Cache-Control":           "no-store",
	"Content-Security-Policy": "default-src 'none'; sandbox",
	"Referrer-Policy":         "no-referrer",
	"X-Request-Id":            "",
}

// checkAlways checks what holds for every answer.
func checkAlways(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, want := range always {
		if got := w.Header().Get(name); got == "" || want != "" && got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if w.Code < http.StatusBadRequest {
		return
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "application/fhir+json") {
		t.Errorf("got Content-Type %q for an error, want application/fhir+json", got)
	}
	if w.Body.Len() > fhir.MaxOutcomeBytes {
		t.Errorf("got an outcome of %d bytes, want at most %d", w.Body.Len(), fhir.MaxOutcomeBytes)
	}
	var outcome struct {
		ResourceType string
		Issue        []struct{ Severity, Code string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &outcome); err != nil {
		t.Errorf("the body of an error is not JSON: %v", err)
	}
	if outcome.ResourceType != "OperationOutcome" || len(outcome.Issue) == 0 || outcome.Issue[0].Severity != "error" || outcome.Issue[0].Code == "" {
		t.Errorf("got %+v for an error, want an OperationOutcome whose first issue is an error", outcome)
	}
}

// varying are ids in answers, and what stands for them in a file.
var varying = []struct {
	pattern     *regexp.Regexp
	placeholder string
}{
	{regexp.MustCompile(`\b[a-z2-7]{58}\b`), "{submission}"},
	{regexp.MustCompile(`\b[0-9a-f]{24}\b`), "{request}"},
	{regexp.MustCompile(`(?m)^(Location: .*/)[0-9a-f-]{36}$`), "${1}{resource}"},
}

// render writes an answer as it stands in a file.
func render(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		if _, known := always[name]; !known && name != "Content-Length" {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(w.Header()[name], ", "))
		}
	}
	b.WriteByte('\n')
	if json.Indent(&b, w.Body.Bytes(), "", "  ") != nil {
		b.Write(w.Body.Bytes())
	}
	text := strings.TrimRight(b.String(), "\n") + "\n"
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.placeholder)
	}
	return text
}
