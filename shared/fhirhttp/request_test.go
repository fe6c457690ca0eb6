package fhirhttp_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// TestAnnouncedLength: a length alone takes no memory.
func TestAnnouncedLength(t *testing.T) {
	const length = 64 << 20
	r := httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	r.ContentLength = length
	r.Header.Set("Content-Type", "application/fhir+json")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := fhirhttp.ReadBody(httptest.NewRecorder(), r, "Bundle", length)
	runtime.ReadMemStats(&after)
	if got := statusOf(t, err); got != http.StatusBadRequest {
		t.Errorf("got %d, want 400", got)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > length/8 {
		t.Errorf("took %d bytes before any came", took)
	}
}

// statusOf returns the HTTP status of err, 200 for none.
func statusOf(t testing.TB, err error) int {
	t.Helper()
	if err == nil {
		return http.StatusOK
	}
	e, ok := errors.AsType[*fhir.Error](err)
	if !ok {
		t.Fatalf("got error %v, want an *fhir.Error", err)
	}
	return fhirhttp.Status(e)
}

func TestCheckAccept(t *testing.T) {
	for _, test := range []struct {
		name   string
		query  string
		accept []string
		want   int
	}{
		{"nothing said", "", nil, 200},
		{"empty", "", []string{""}, 200},
		{"FHIR JSON", "", []string{"application/fhir+json"}, 200},
		{"FHIR JSON of a version", "", []string{"application/fhir+json; fhirVersion=4.0"}, 200},
		{"JSON", "", []string{"application/json"}, 200},
		{"capitals", "", []string{"Application/FHIR+JSON"}, 200},
		{"any application", "", []string{"application/*"}, 200},
		{"anything", "", []string{"*/*"}, 200},
		{"a browser", "", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, 200},
		{"the second header", "", []string{"text/html", "application/json;q=0.1"}, 200},
		{"XML", "", []string{"application/fhir+xml"}, 406},
		{"XML and HTML", "", []string{"application/fhir+xml, text/html"}, 406},
		{"JSON refused", "", []string{"application/fhir+json;q=0"}, 406},
		{"JSON refused with decimals", "", []string{"application/fhir+json; q=0.000, application/fhir+xml"}, 406},
		{"malformed", "", []string{"/"}, 406},
		{"malformed beside JSON", "", []string{"/, application/json"}, 200},
		{"_format=json", "_format=json", nil, 200},
		{"_format outweighs", "_format=json", []string{"application/fhir+xml"}, 200},
		{"_format with a plus", "_format=application/fhir+json", []string{"application/fhir+xml"}, 200},
		{"_format with an escaped plus", "_format=application%2Ffhir%2Bjson", nil, 200},
		{"_format=text/json", "_format=text/json", nil, 200},
		{"_format=xml", "_format=xml", []string{"application/fhir+json"}, 406},
		{"_format=application/fhir+xml", "_format=application/fhir+xml", nil, 406},
		{"_format=text/html", "_format=text/html", nil, 406},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/fhir?"+test.query, nil)
			r.Header["Accept"] = test.accept
			if got := statusOf(t, fhirhttp.CheckAccept(r)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

// TestReadBodyThatLies: the length announced is not the length sent (RELIABILITY A09). The cases of testdata/http
// show what else can be wrong with a body.
func TestReadBodyThatLies(t *testing.T) {
	for _, test := range []struct {
		name      string
		body      io.Reader
		announced int64
		want      int
	}{
		{"as announced", strings.NewReader("{}"), 2, 200},
		{"unknown length", strings.NewReader("{}"), -1, 200},
		{"cut short", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), 2, 400},
		{"announced too long, not read", iotest.ErrReader(errors.New("the body was read")), 11, 413},
		{"announced short, too long", bytes.NewReader(make([]byte, 11)), 2, 413},
		{"unknown length, too long", bytes.NewReader(make([]byte, 11)), -1, 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/fhir", test.body)
			r.Header.Set("Content-Type", "application/fhir+json; charset=utf-8")
			r.ContentLength = test.announced
			body, media, err := fhirhttp.ReadBody(httptest.NewRecorder(), r, "Bundle", 10)
			if got := statusOf(t, err); got != test.want {
				t.Errorf("got %d (%v), want %d", got, err, test.want)
			}
			if err == nil && (string(body) != "{}" || media != "application/fhir+json") {
				t.Errorf("got %q of type %q, want {} of application/fhir+json", body, media)
			}
		})
	}
}
