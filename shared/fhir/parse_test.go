package fhir_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func TestParseRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	manyNames := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return `{` + strings.TrimSuffix(b.String(), ",") + `}`
	}
	tests := []struct {
		name, in   string
		code       fhir.Code
		expression string
	}{
		{"empty", ``, fhir.CodeStructure, "Bundle"},
		{"truncated", `{"resourceType":"Patient","name":[{"family":"x"`, fhir.CodeStructure, "Patient.name[0].family"},
		{"second document", `{"a":1}{"a":1}`, fhir.CodeStructure, "Bundle"},
		{"byte order mark", "\ufeff" + `{"a":1}`, fhir.CodeStructure, "Bundle"},
		{"invalid UTF-8 in a value", "{\"a\":\"\xff\"}", fhir.CodeInvalid, "Bundle.a"},
		{"invalid UTF-8 in a name", "{\"a\xff\":1}", fhir.CodeInvalid, "Bundle"},
		{"invalid UTF-8 beside an escape", "{\"a\":\"\\n\xff\"}", fhir.CodeInvalid, "Bundle.a"},
		{"CESU-8", "{\"a\":\"\xed\xa0\x80\"}", fhir.CodeInvalid, "Bundle.a"},
		{"lone surrogate", `{"a":"\ud800"}`, fhir.CodeInvalid, "Bundle.a"},
		{"surrogates swapped", `{"a":"\udc00\ud800"}`, fhir.CodeInvalid, "Bundle.a"},
		{"U+0000", `{"a":"\u0000"}`, fhir.CodeInvalid, "Bundle.a"},
		{"escaped control character", `{"a":"\u0001"}`, fhir.CodeValue, "Bundle.a"},
		{"escaped backspace", `{"a":"\b"}`, fhir.CodeValue, "Bundle.a"},
		{"raw control character", "{\"a\":\"\x01\"}", fhir.CodeStructure, "Bundle.a"},
		{"name twice", `{"id":"a","id":"a"}`, fhir.CodeStructure, "Bundle.id"},
		{"name twice by escape", `{"id":"a","i\u0064":"a"}`, fhir.CodeStructure, "Bundle.id"},
		{"name twice among many", manyNames(20)[:len(manyNames(20))-1] + `,"k3":1}`, fhir.CodeStructure, "Bundle.k19"},
		{"65 levels", deep(65), fhir.CodeTooCostly, "Bundle" + strings.Repeat(".a", 64)},
		{"100,000 brackets", `{"a":` + strings.Repeat("[", 100_000), fhir.CodeTooCostly, ""},
		{"too many names", manyNames(1001), fhir.CodeTooCostly, "Bundle.k999"},
		{"too many values", `{"a":[` + strings.Repeat("1,", 300_000) + `1]}`, fhir.CodeTooCostly, "Bundle.a[299998]"},
		{"huge exponent", `{"n":1e100000}`, fhir.CodeValue, "Bundle.n"},
		{"exponent beyond an int", `{"n":1e99999999999999999999}`, fhir.CodeValue, "Bundle.n"},
		{"long number", `{"n":` + strings.Repeat("1", 65) + `}`, fhir.CodeValue, "Bundle.n"},
		{"leading zero", `{"n":01}`, fhir.CodeStructure, "Bundle.n"},
		{"plus", `{"n":+1}`, fhir.CodeStructure, "Bundle.n"},
		{"no integer digits", `{"n":.5}`, fhir.CodeStructure, "Bundle.n"},
		{"no fraction digits", `{"n":1.}`, fhir.CodeStructure, "Bundle.n"},
		{"NaN", `{"n":NaN}`, fhir.CodeStructure, "Bundle.n"},
		{"hexadecimal", `{"n":0x1}`, fhir.CodeStructure, "Bundle.n"},
		{"comment", `{/**/"a":1}`, fhir.CodeStructure, "Bundle"},
		{"single quotes", `{'a':1}`, fhir.CodeStructure, "Bundle"},
		{"trailing comma", `{"a":1,}`, fhir.CodeStructure, "Bundle.a"},
		{"array at the top", `[{"a":1}]`, fhir.CodeStructure, "Bundle"},
		{"null at the top", `null`, fhir.CodeStructure, "Bundle"},
		{"null property", `{"a":null}`, fhir.CodeValue, "Bundle.a"},
		{"null in an array without sibling", `{"a":["x",null]}`, fhir.CodeValue, "Bundle.a[1]"},
		{"null on both sides", `{"a":[null],"_a":[null]}`, fhir.CodeValue, "Bundle.a[0]"},
		{"arrays of different length", `{"a":["x","y"],"_a":[{"id":"1"}]}`, fhir.CodeStructure, "Bundle.a"},
		{"empty string", `{"a":""}`, fhir.CodeValue, "Bundle.a"},
		{"empty object", `{"a":{}}`, fhir.CodeValue, "Bundle.a"},
		{"empty array", `{"a":[]}`, fhir.CodeValue, "Bundle.a"},
		{"long string", `{"a":"` + strings.Repeat("é", 1<<20) + `"}`, fhir.CodeTooLong, "Bundle.a"},
		{"long name", `{"` + strings.Repeat("a", 1<<20) + `":1}`, fhir.CodeStructure, "Bundle"},
		{"UTF-16", "\xff\xfe{\x00", fhir.CodeStructure, "Bundle"},
		{"a name that is no element is not repeated", `{"Jane Citizen":[{"a":null}]}`, fhir.CodeValue, "Bundle"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := fhir.Parse([]byte(test.in), "Bundle", fhir.Limits{})
			e, ok := errors.AsType[*fhir.Error](err)
			if !ok {
				t.Fatalf("got error %v, want a *fhir.Error", err)
			}
			got := e.Issues[0]
			if got.Code != test.code {
				t.Errorf("got code %s (%s), want %s", got.Code, got.Details, test.code)
			}
			if test.expression != "" && got.Expression != test.expression {
				t.Errorf("got expression %q, want %q", got.Expression, test.expression)
			}
		})
	}
}

func TestParseKeeps(t *testing.T) {
	in := `{ "resourceType":"Observation", "a":[1.10,-0,1E2,0.5e-3], "s":"x\u00e9\ud83d\ude00\t\/", "n":"` + "\ufffe\uffff" + `",
		"given":["A",null],"_given":[null,{"id":"g"}], "b":true, "o":{"p":false} }`
	v, err := fhir.Parse([]byte(in), "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var want any
	decoder := json.NewDecoder(strings.NewReader(in))
	decoder.UseNumber()
	if err := decoder.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, v.Any()); diff != "" {
		t.Errorf("differs from encoding/json (-want +got):\n%s", diff)
	}
	if got, want := v.Get("a").Items()[0].Text(), "1.10"; got != want {
		t.Errorf("got decimal %s, want %s", got, want)
	}
	if got, want := v.Get("o").Source(), `{"p":false}`; got != want {
		t.Errorf("got source %s, want %s", got, want)
	}
	start, end := v.Get("b").Span()
	if got, want := in[start:end], "true"; got != want {
		t.Errorf("got span of %q, want %q", got, want)
	}
	if got, want := v.At("o", "p").Text(), "false"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if v.At("o", "missing", "p") != nil {
		t.Error("got a value at a path that leads nowhere")
	}
}

func TestParseLimitsAreInclusive(t *testing.T) {
	depth := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	for name, in := range map[string]string{
		"64 levels":         depth,
		"base64 of 3 MB":    `{"data":"` + strings.Repeat("QUJD", 1<<20) + `"}`,
		"number of 64":      `{"n":` + strings.Repeat("1", 64) + `}`,
		"string of one MiB": `{"a":"` + strings.Repeat("-", 1<<20) + `"}`,
	} {
		if _, err := fhir.Parse([]byte(in), "Bundle", fhir.Limits{}); err != nil {
			t.Errorf("%s: got error %v, want none", name, err)
		}
	}
}

func TestValueShowsNoContent(t *testing.T) {
	v, err := fhir.Parse([]byte(`{"name":"zqxcanary"}`), "Patient", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if got := fmt.Sprintf(format, v); strings.Contains(got, "zqx") {
			t.Errorf("%s shows %q", format, got)
		}
		if got := fmt.Sprintf(format, v.Get("name")); strings.Contains(got, "zqx") {
			t.Errorf("%s shows %q", format, got)
		}
	}
	if got := v.LogValue().String(); strings.Contains(got, "zqx") {
		t.Errorf("LogValue shows %q", got)
	}
}

// FuzzParse holds the gate against encoding/json: what the gate accepts, both read alike.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":["x",null],"_a":[null,{"id":"1"}]}`, `{"a":"\ud83d\ude00"}`, `{"a":1e5,"b":{"c":[true]}}`, `{"a":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := fhir.Parse(in, "Bundle", fhir.Limits{})
		if err != nil {
			if _, ok := errors.AsType[*fhir.Error](err); !ok {
				t.Fatalf("got error %v, want a *fhir.Error", err)
			}
			return
		}
		var want any
		decoder := json.NewDecoder(strings.NewReader(string(in)))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(want, v.Any()); diff != "" {
			t.Errorf("differs from encoding/json (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	entry := `{"resourceType":"Patient","id":"1","name":[{"family":"Example","given":["Zora"]}],"birthDate":"1970-01-01"}`
	doc := []byte(`{"resourceType":"Bundle","entry":[` + strings.Repeat(`{"resource":`+entry+`},`, 99) + `{"resource":` + entry + `}]}`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fhir.Parse(doc, "Bundle", fhir.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
