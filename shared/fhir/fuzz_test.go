package fhir_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// FuzzParseTarget holds the reader of relative URLs against net/url: what it accepts leads to no other host or scheme, and
// its parts are the URL. By FHIR's grammar a full stop, or two, is an id.
func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{
		"Patient/1", "/Patient", "Patient?identifier=a%7Cb", "Patient/1/_history/2", "//evil.example/Patient/1", "https://evil.example/Patient/1",
		"Patient/../admin", "Patient/%2e%2e", "\\\\evil.example\\Patient", "Patient/1#x", "javascript:x/1", "Patient/1\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, ok := fhir.ParseTarget(text)
		if !ok {
			return
		}
		path, query, conditional := strings.Cut(strings.TrimPrefix(text, "/"), "?")
		want := target.Type
		if target.ID != "" {
			want += "/" + target.ID
		}
		if target.Version != "" {
			want += "/_history/" + target.Version
		}
		if path != want || query != target.Query || conditional != target.Conditional {
			t.Errorf("%q is read as %+v", text, target)
		}
		u, err := url.Parse("https://referrals.example/fhir/" + path)
		if err != nil || u.Host != "referrals.example" || u.EscapedPath() != "/fhir/"+want || u.Fragment != "" {
			t.Errorf("%q is elsewhere: %v, error %v", text, u, err)
		}
	})
}

// FuzzMembers holds that what is written again, once or twice, is what was read: white space apart byte for byte.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"resourceType":"Patient","name":[{"family":"x\u00e9"}]}`, `{ "a" : 1.10, "b":-0,"c":1E2}`, `{"a":["x",null],"_a":[null,{"id":"1"}]}`} {
		f.Add([]byte(seed))
	}
	keep := func(string, string) (string, bool) { return "", false }
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := fhir.Parse(in, "Bundle", fhir.Limits{})
		if err != nil {
			return
		}
		once := "{" + v.Members(keep) + "}"
		again, err := fhir.Parse([]byte(once), "Bundle", fhir.Limits{})
		if err != nil {
			t.Fatalf("what was written of %q is refused: %v", in, err)
		}
		if diff := cmp.Diff(v.Any(), again.Any()); diff != "" {
			t.Errorf("%q is changed (-read +written):\n%s", in, diff)
		}
		if twice := "{" + again.Members(keep) + "}"; twice != once {
			t.Errorf("%q is written as %q, and that as %q", in, once, twice)
		}
	})
}
