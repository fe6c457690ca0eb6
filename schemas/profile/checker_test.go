package profile_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// library holds invented profiles, one for each kind of rule, as package compile would write them.
func library(tb testing.TB, root string) (*profile.Library, *terminology.Sets) {
	tb.Helper()
	tables := fstest.MapFS{
		profile.IndexName: {Data: []byte(`{"packages":[],"profiles":{"http://p":"p.json","http://typed":"typed.json",
			"http://ext":"ext.json","http://org":"org.json"}}`)},
		"p.json":             {Data: []byte(`{"url":"http://p","version":"1.2.0","name":"Tested","package":"t#1","type":"Patient","root":` + root + `}`)},
		"typed.json":         {Data: []byte(`{"url":"http://typed","name":"Typed Identifier","package":"t#1","type":"Identifier","root":{"children":[{"name":"type","min":1,"pattern":{"coding":[{"code":"T"}]}},{"name":"value","min":1,"maxLength":3}]}}`)},
		"ext.json":           {Data: []byte(`{"url":"http://ext","name":"Mark","package":"t#1","type":"Extension","contexts":["Patient"],"root":{"children":[{"name":"value[x]","min":1,"types":["boolean"]}]}}`)},
		"org.json":           {Data: []byte(`{"url":"http://org","name":"Named Organisation","package":"t#1","type":"Organization","root":{"children":[{"name":"name","min":1}]}}`)},
		terminology.FileName: {Data: []byte(`{"http://vs":{"codes":{"http://s":["a","b"]}},"http://open":{"codes":{"http://s":["a"]},"partial":true}}`)},
	}
	l, err := profile.NewLibrary(tables)
	if err != nil {
		tb.Fatal(err)
	}
	return l, terminology.New(tables)
}

// check holds document, a Patient, against the profile http://p with this root.
func check(tb testing.TB, root, document string) []string {
	tb.Helper()
	v, err := fhir.Parse([]byte(document), "Patient", fhir.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	l, sets := library(tb, root)
	d := element.NewDocument(v)
	s := profile.NewChecker(l, sets).Session(d)
	s.Resource(d.Root(), v, func() string { return "Patient" }, l.Profile("http://p"), false)
	var got []string
	for _, i := range s.Issues {
		got = append(got, fmt.Sprintf("%s %s %s %s", i.Severity, i.Code, i.Rule, i.Expression))
	}
	return got
}

func patient(members string) string { return `{"resourceType":"Patient",` + members + `}` }

func TestRules(t *testing.T) {
	const (
		sliced = `{"children":[{"name":"identifier","slicing":{"discriminators":[{"type":"%s","path":"%s"}],"rules":"%s"},"slices":[%s]}]}`
		typed  = `{"name":"identifier","slice":"t","min":1,"max":1,"profiles":["http://typed"]}`
		bySys  = `{"name":"identifier","slice":"s","max":1,"children":[{"name":"system","fixed":"http://s"},{"name":"value","min":1}]}`
	)
	for _, tt := range []struct {
		name, root, document string
		want                 []string
	}{
		{"required", `{"children":[{"name":"gender","min":1}]}`, patient(`"id":"a"`), []string{"error required cardinality Patient.gender"}},
		{"required, absent with a reason", `{"children":[{"name":"gender","min":1}]}`,
			patient(`"_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`), nil},
		{"too many", `{"children":[{"name":"name","max":1}]}`, patient(`"name":[{"text":"a"},{"text":"b"}]`), []string{"error structure cardinality Patient.name"}},
		{"forbidden", `{"children":[{"name":"name","max":0}]}`, patient(`"name":[{"text":"a"}]`), []string{"error structure cardinality Patient.name"}},
		{"within each", `{"children":[{"name":"name","children":[{"name":"family","min":1}]}]}`, patient(`"name":[{"family":"a"},{"text":"b"}]`),
			[]string{"error required cardinality Patient.name[1].family"}},
		{"fixed", `{"children":[{"name":"gender","fixed":"male"}]}`, patient(`"gender":"female"`), []string{"error value fixed Patient.gender"}},
		{"fixed complex has no more", `{"children":[{"name":"maritalStatus","fixed":{"text":"a"}}]}`, patient(`"maritalStatus":{"text":"a","id":"x"}`),
			[]string{"error value fixed Patient.maritalStatus"}},
		{"pattern may have more", `{"children":[{"name":"maritalStatus","pattern":{"coding":[{"code":"a"}]}}]}`,
			patient(`"maritalStatus":{"text":"x","coding":[{"code":"b"},{"code":"a","display":"y"}]}`), nil},
		{"pattern missing", `{"children":[{"name":"maritalStatus","pattern":{"coding":[{"code":"a"}]}}]}`, patient(`"maritalStatus":{"text":"x"}`),
			[]string{"error value pattern Patient.maritalStatus"}},
		{"choice narrowed", `{"children":[{"name":"deceased[x]","types":["boolean"]}]}`, patient(`"deceasedDateTime":"2020"`),
			[]string{"error structure type Patient.deceased"}},
		{"choice as it may be", `{"children":[{"name":"deceased[x]","min":1,"types":["boolean"]}]}`, patient(`"deceasedBoolean":true`), nil},
		{"choice by slices of type", `{"children":[{"name":"deceased[x]","slicing":{"discriminators":[{"type":"type","path":"$this"}],"rules":"closed"},"slices":[{"name":"deceased[x]","slice":"b","types":["boolean"],"fixed":true}]}]}`,
			patient(`"deceasedDateTime":"2020"`), []string{"error structure slice Patient.deceased"}},
		{"binding", `{"children":[{"name":"maritalStatus","binding":{"strength":"required","valueSet":"http://vs"}}]}`,
			patient(`"maritalStatus":{"coding":[{"system":"http://s","code":"c"}]}`), []string{"error code-invalid binding Patient.maritalStatus"}},
		{"binding, one coding fits", `{"children":[{"name":"maritalStatus","binding":{"strength":"required","valueSet":"http://vs"}}]}`,
			patient(`"maritalStatus":{"coding":[{"system":"http://t","code":"c"},{"system":"http://s","code":"b"}]}`), nil},
		{"binding, text only", `{"children":[{"name":"maritalStatus","binding":{"strength":"required","valueSet":"http://vs"}}]}`,
			patient(`"maritalStatus":{"text":"c"}`), []string{"error code-invalid binding Patient.maritalStatus"}},
		{"extensible binding", `{"children":[{"name":"maritalStatus","binding":{"strength":"extensible","valueSet":"http://vs"}}]}`,
			patient(`"maritalStatus":{"coding":[{"system":"http://t","code":"c"}]}`), []string{"warning code-invalid binding Patient.maritalStatus"}},
		{"extensible binding, text only", `{"children":[{"name":"maritalStatus","binding":{"strength":"extensible","valueSet":"http://vs"}}]}`, patient(`"maritalStatus":{"text":"c"}`), nil},
		{"binding to what is not known, told once", `{"children":[{"name":"contact","children":[{"name":"relationship","binding":{"strength":"required","valueSet":"http://open"}}]}]}`,
			patient(`"contact":[{"relationship":[{"coding":[{"system":"http://t","code":"c"}]},{"coding":[{"system":"http://t","code":"d"}]}]}]`),
			[]string{"information informational binding Patient.contact[0].relationship[0]"}},
		{"type profile", `{"children":[{"name":"identifier","profiles":["http://typed"]}]}`, patient(`"identifier":[{"value":"long"}]`),
			[]string{"error required cardinality Patient.identifier[0].type", "error too-long max-length Patient.identifier[0].value"}},
		{"slice by pattern of its profile", fmt.Sprintf(sliced, "pattern", "type", "open", typed), patient(`"identifier":[{"type":{"coding":[{"code":"T"}]}},{"value":"other"}]`),
			[]string{"error required cardinality Patient.identifier[0].value"}},
		{"slice missing", fmt.Sprintf(sliced, "pattern", "type", "open", typed), patient(`"identifier":[{"value":"other"}]`), []string{"error required cardinality Patient.identifier"}},
		{"slice by value", fmt.Sprintf(sliced, "value", "system", "open", bySys), patient(`"identifier":[{"system":"http://s"},{"system":"http://s","value":"1"},{"system":"http://t"}]`),
			[]string{"error required cardinality Patient.identifier[0].value", "error structure cardinality Patient.identifier"}},
		{"closed slicing", fmt.Sprintf(sliced, "value", "system", "closed", bySys), patient(`"identifier":[{"system":"http://t"}]`), []string{"error structure slice Patient.identifier[0]"}},
		{"open at the end", fmt.Sprintf(sliced, "value", "system", "openAtEnd", bySys), patient(`"identifier":[{"system":"http://t"},{"system":"http://s","value":"1"}]`),
			[]string{"error structure slice Patient.identifier[1]"}},
		{"slice by existence", fmt.Sprintf(sliced, "exists", "period", "open", `{"name":"identifier","slice":"old","children":[{"name":"period","min":1},{"name":"value","min":1}]}`),
			patient(`"identifier":[{"period":{"start":"2020"}},{"system":"http://s"}]`), []string{"error required cardinality Patient.identifier[0].value"}},
		{"slice by profile of the target", `{"children":[{"name":"generalPractitioner","slicing":{"discriminators":[{"type":"profile","path":"resolve()"}],"rules":"open"},"slices":[{"name":"generalPractitioner","slice":"o","min":1,"targets":["http://org"]}]}]}`,
			patient(`"contained":[{"resourceType":"Organization","id":"o","alias":["x"]}],"generalPractitioner":[{"reference":"#o"}]`), []string{"error required cardinality Patient.generalPractitioner"}},
		{"slice by a target out of sight", `{"children":[{"name":"generalPractitioner","slicing":{"discriminators":[{"type":"profile","path":"resolve()"}],"rules":"open"},"slices":[{"name":"generalPractitioner","slice":"o","min":1,"targets":["http://org"]}]}]}`,
			patient(`"generalPractitioner":[{"reference":"Organization/1"}]`), nil},
		{"target type", `{"children":[{"name":"generalPractitioner","targets":["http://org"]}]}`, patient(`"generalPractitioner":[{"reference":"Practitioner/1"}]`),
			[]string{"error value target Patient.generalPractitioner[0]"}},
		{"target that does not conform", `{"children":[{"name":"generalPractitioner","targets":["http://org"]}]}`,
			patient(`"contained":[{"resourceType":"Organization","id":"o"}],"generalPractitioner":[{"reference":"#o"}]`), []string{"error value target Patient.generalPractitioner[0]"}},
		{"target by words or identifier only", `{"children":[{"name":"generalPractitioner","targets":["http://org"]}]}`,
			patient(`"generalPractitioner":[{"display":"x"},{"identifier":{"value":"1"}}]`), nil},
		{"invariant", `{"invariants":[{"key":"k","severity":"warning","human":"Should.","expression":"name.exists() or telecom.exists() or address.exists() or organization.exists()"}]}`,
			patient(`"id":"a"`), []string{"warning invariant k Patient"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, check(t, tt.root, tt.document)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestExtension holds an extension against its definition and its place.
func TestExtension(t *testing.T) {
	l, sets := library(t, `{}`)
	for _, tt := range []struct {
		name, extension string
		contexts        []string
		known           bool
		want            int
	}{
		{"fits", `{"url":"http://ext","valueBoolean":true}`, []string{"Patient", "Element"}, true, 0},
		{"another type", `{"url":"http://ext","valueString":"x"}`, []string{"Patient"}, true, 1},
		{"another place", `{"url":"http://ext","valueBoolean":true}`, []string{"Address", "Element"}, true, 1},
		{"unknown", `{"url":"http://other","valueBoolean":true}`, []string{"Patient"}, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := fhir.Parse([]byte(tt.extension), "Extension", fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			d := element.NewDocument(v)
			s := profile.NewChecker(l, sets).Session(d)
			known := s.Extension(d.Root(), v, func() string { return "Patient.extension[0]" }, tt.contexts...)
			if known != tt.known || len(s.Issues) != tt.want {
				t.Errorf("got known %v and %v, want %v and %d issues", known, s.Issues, tt.known, tt.want)
			}
		})
	}
}

// TestVersions: a canonical URL may name the version or its beginning, and no other.
func TestVersions(t *testing.T) {
	l, _ := library(t, `{}`)
	for canonical, want := range map[string]bool{
		"http://p": true, "http://p|1.2.0": true, "http://p|1.2": true, "http://p|1": true,
		"http://p|1.20": false, "http://p|2": false, "http://q": false, "": false,
	} {
		if got := l.Profile(canonical) != nil; got != want {
			t.Errorf("%q: got known %v, want %v", canonical, got, want)
		}
	}
}

// TestWorkIsBounded: many slices that each ask about every item end in one issue, not in minutes.
func TestWorkIsBounded(t *testing.T) {
	var slices []string
	for i := range 200 {
		slices = append(slices, fmt.Sprintf(`{"name":"identifier","slice":"s%d","children":[{"name":"system","fixed":"http://s%d"}]}`, i, i))
	}
	root := `{"children":[{"name":"identifier","slicing":{"discriminators":[{"type":"value","path":"system"}],"rules":"open"},"slices":[` + strings.Join(slices, ",") + `]}]}`
	document := patient(`"identifier":[` + strings.Repeat(`{"system":"x"},`, 20_000) + `{"system":"x"}]`)
	begin := time.Now()
	got := check(t, root, document)
	if diff := cmp.Diff([]string{"error too-costly  Patient"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	t.Log("took", time.Since(begin))
}
