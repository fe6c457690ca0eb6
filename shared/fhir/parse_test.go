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
	deep := func(n int) string { return strings.Repeat(`{"name":`, n) + "1" + strings.Repeat("}", n) }
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
		{"second document", `{"name":1}{"name":1}`, fhir.CodeStructure, "Bundle"},
		{"byte order mark", "\ufeff" + `{"name":1}`, fhir.CodeStructure, "Bundle"},
		{"invalid UTF-8 in a value", "{\"name\":\"\xff\"}", fhir.CodeInvalid, "Bundle.name"},
		{"invalid UTF-8 in a name", "{\"a\xff\":1}", fhir.CodeInvalid, "Bundle"},
		{"invalid UTF-8 beside an escape", "{\"name\":\"\\n\xff\"}", fhir.CodeInvalid, "Bundle.name"},
		{"CESU-8", "{\"name\":\"\xed\xa0\x80\"}", fhir.CodeInvalid, "Bundle.name"},
		{"lone surrogate", `{"name":"\ud800"}`, fhir.CodeInvalid, "Bundle.name"},
		{"surrogates swapped", `{"name":"\udc00\ud800"}`, fhir.CodeInvalid, "Bundle.name"},
		{"U+0000", `{"name":"\u0000"}`, fhir.CodeInvalid, "Bundle.name"},
		{"escaped control character", `{"name":"\u0001"}`, fhir.CodeValue, "Bundle.name"},
		{"escaped backspace", `{"name":"\b"}`, fhir.CodeValue, "Bundle.name"},
		{"raw control character", "{\"name\":\"\x01\"}", fhir.CodeStructure, "Bundle.name"},
		{"name twice", `{"id":"a","id":"a"}`, fhir.CodeStructure, "Bundle.id"},
		{"name twice by escape", `{"id":"a","i\u0064":"a"}`, fhir.CodeStructure, "Bundle.id"},
		{"name twice among many", manyNames(20)[:len(manyNames(20))-1] + `,"k3":1}`, fhir.CodeStructure, "Bundle"},
		{"65 levels", deep(65), fhir.CodeTooCostly, "Bundle" + strings.Repeat(".name", 64)},
		{"100,000 brackets", `{"name":` + strings.Repeat("[", 100_000), fhir.CodeTooCostly, ""},
		{"too many names", manyNames(1001), fhir.CodeTooCostly, "Bundle"},
		{"too many values", `{"name":[` + strings.Repeat("1,", 200_000) + `1]}`, fhir.CodeTooCostly, "Bundle.name[199998]"},
		{"huge exponent", `{"value":1e100000}`, fhir.CodeValue, "Bundle.value"},
		{"exponent beyond an int", `{"value":1e99999999999999999999}`, fhir.CodeValue, "Bundle.value"},
		{"long number", `{"value":` + strings.Repeat("1", 65) + `}`, fhir.CodeValue, "Bundle.value"},
		{"leading zero", `{"value":01}`, fhir.CodeStructure, "Bundle.value"},
		{"plus", `{"value":+1}`, fhir.CodeStructure, "Bundle.value"},
		{"no integer digits", `{"value":.5}`, fhir.CodeStructure, "Bundle.value"},
		{"no fraction digits", `{"value":1.}`, fhir.CodeStructure, "Bundle.value"},
		{"NaN", `{"value":NaN}`, fhir.CodeStructure, "Bundle.value"},
		{"hexadecimal", `{"value":0x1}`, fhir.CodeStructure, "Bundle.value"},
		{"comment", `{/**/"name":1}`, fhir.CodeStructure, "Bundle"},
		{"single quotes", `{'a':1}`, fhir.CodeStructure, "Bundle"},
		{"trailing comma", `{"name":1,}`, fhir.CodeStructure, "Bundle.name"},
		{"array at the top", `[{"name":1}]`, fhir.CodeStructure, "Bundle"},
		{"null at the top", `null`, fhir.CodeStructure, "Bundle"},
		{"null property", `{"name":null}`, fhir.CodeValue, "Bundle.name"},
		{"null in an array without sibling", `{"name":["x",null]}`, fhir.CodeValue, "Bundle.name[1]"},
		{"null on both sides", `{"name":[null],"_name":[null]}`, fhir.CodeValue, "Bundle.name[0]"},
		{"arrays of different length", `{"name":["x","y"],"_name":[{"id":"1"}]}`, fhir.CodeStructure, "Bundle.name"},
		{"empty string", `{"name":""}`, fhir.CodeValue, "Bundle.name"},
		{"empty object", `{"name":{}}`, fhir.CodeValue, "Bundle.name"},
		{"empty array", `{"name":[]}`, fhir.CodeValue, "Bundle.name"},
		{"long string", `{"name":"` + strings.Repeat("é", 1<<20) + `"}`, fhir.CodeTooLong, "Bundle.name"},
		{"long name", `{"` + strings.Repeat("a", 1<<20) + `":1}`, fhir.CodeStructure, "Bundle"},
		{"UTF-16", "\xff\xfe{\x00", fhir.CodeStructure, "Bundle"},
		{"a name that is no element is not repeated", `{"Jane Citizen":[{"name":null}]}`, fhir.CodeValue, "Bundle"},
		{"nor one that could be an element", `{"name":{"JaneCitizen19800101Medicare2950":[{"name":null}]}}`, fhir.CodeValue, "Bundle.name"},
		{"nor one with an underscore", `{"_JaneCitizen19800101":null}`, fhir.CodeValue, "Bundle"},
		{"nor underscores", `{"__name":null}`, fhir.CodeValue, "Bundle"},
		{"nor an underscore alone", `{"_":{"name":null}}`, fhir.CodeValue, "Bundle"},
		{"nor a type that R4 does not have", `{"resourceType":"JaneCitizen","name":null}`, fhir.CodeValue, "Bundle.name"},
		{"nor a type that is an element", `{"resourceType":"name","name":null}`, fhir.CodeValue, "Bundle.name"},
		{"a type is no element", `{"Patient":null}`, fhir.CodeValue, "Bundle"},
		{"the sibling of an element", `{"_birthDate":null}`, fhir.CodeValue, "Bundle.birthDate"},
		{"a type written with an escape", `{"resourceType":"P\u0061tient","name":null}`, fhir.CodeValue, "Patient.name"},
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
	if got, want := v.Get("s").Text(), "xé😀\t/"; got != want {
		t.Errorf("got string %q, want %q", got, want)
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
	entry := `{"a":[` + strings.Repeat(`"abcdefghijklmnopqrs",`, 147) + `1]}`
	for name, in := range map[string]string{
		"64 levels":         depth,
		"base64 of 3 MB":    `{"data":"` + strings.Repeat("QUJD", 1<<20) + `"}`,
		"number of 64":      `{"n":` + strings.Repeat("1", 64) + `}`,
		"string of one MiB": `{"a":"` + strings.Repeat("-", 1<<20) + `"}`,
		"200,000 values":    `{"a":[` + strings.Repeat("1,", 199_997) + `1]}`,
		// Real referrals have 22 to 58 bytes a value; the largest published example has 2,796 values in all.
		"1,000 entries of 150 values": `{"entry":[` + strings.Repeat(entry+`,`, 999) + entry + `]}`,
	} {
		if _, err := fhir.Parse([]byte(in), "Bundle", fhir.Limits{}); err != nil {
			t.Errorf("%s: got error %v, want none", name, err)
		}
	}
}

func TestPosition(t *testing.T) {
	v, err := fhir.Parse([]byte("\n {\"name\": 1,\r\n\t\"é\":[\"😀\", 2],\n\"\\u0061\":3}"), "Bundle", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	items := v.Items()
	elements := items[1].Items()
	values := []*fhir.Value{v, &items[0], &items[1], &elements[0], &elements[1], &items[2], v}
	var got []string
	var at fhir.Position
	for _, v := range values {
		at = v.Position(at)
		got = append(got, at.String())
		if alone := v.Position(fhir.Position{}); alone != at {
			t.Errorf("got %v from the start, %v from the value before", alone, at)
		}
	}
	want := []string{
		"line 2, column 2", "line 2, column 3", "line 3, column 2", "line 3, column 7", "line 3, column 12", "line 4, column 1",
		"line 2, column 2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("positions (-want +got):\n%s", diff)
	}
}

// FuzzParse holds the gate against encoding/json: what the gate accepts, both read alike.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":["x",null],"_a":[null,{"id":"1"}]}`, `{"a":"\ud83d\ude00"}`, `{"a":1e5,"b":{"c":[true]}}`, `{"\u0061":"\n","a\t":["\\"]}`, `{"a":`} {
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
