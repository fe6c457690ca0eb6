package patch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

const observation = `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"}],"referenceRange":[{"low":{"value":1e2}}]}`

func TestApply(t *testing.T) {
	for name, test := range map[string]struct{ patch, want string }{
		"replace":                  {`[{"op":"replace","path":"/status","value":"amended"}]`, `{"resourceType":"Observation","id":"1","status":"amended","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"}],"referenceRange":[{"low":{"value":1e2}}]}`},
		"append":                   {`[{"op":"add","path":"/note/-","value":{"text":"c & d"}},{"op":"test","path":"/status","value":"final"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"},{"text":"c & d"}],"referenceRange":[{"low":{"value":1e2}}]}`},
		"remove":                   {`[{"op":"remove","path":"/note/0"},{"op":"remove","path":"/referenceRange"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"b"}]}`},
		"a number keeps its form":  {`[{"op":"replace","path":"/valueQuantity/value","value":2.50}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":2.50,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"}],"referenceRange":[{"low":{"value":1e2}}]}`},
		"a test changes nothing":   {`[{"op":"test","path":"/valueQuantity","value":{"unit":"<m>","value":1.10}},{"op":"remove","path":"/note"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"referenceRange":[{"low":{"value":1e2}}]}`},
		"text is not escaped":      {`[{"op":"replace","path":"/note","value":[{"text":"<b>\u0041 &  "}]},{"op":"remove","path":"/referenceRange"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"<b>\u0041 &  "}]}`},
		"each sees the one before": {`[{"op":"remove","path":"/note/0"},{"op":"test","path":"/note/0/text","value":"b"},{"op":"move","from":"/note/0","path":"/component"},{"op":"test","path":"/component/text","value":"b"},{"op":"remove","path":"/note"},{"op":"copy","from":"/status","path":"/id_"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"referenceRange":[{"low":{"value":1e2}}],"component":{"text":"b"},"id_":"final"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := patch.Apply([]byte(observation), []byte(test.patch))
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		patch string
		want  int
	}{
		"no JSON":             {`[`, 400},
		"an object":           {`{"op":"remove","path":"/note"}`, 400},
		"more than a patch":   {`[{"op":"remove","path":"/note"}],"x":[1]`, 400},
		"a name twice":        {`[{"op":"remove","op":"test","path":"/note"}]`, 400},
		"unknown op":          {`[{"op":"delete","path":"/note"}]`, 400},
		"no path":             {`[{"op":"remove"}]`, 400},
		"no value":            {`[{"op":"add","path":"/note"}]`, 400},
		"no pointer":          {`[{"op":"remove","path":"note"}]`, 400},
		"the whole resource":  {`[{"op":"replace","path":"","value":{"a":"b"}}]`, 400},
		"too many":            {`[` + strings.Repeat(`{"op":"test","path":"/status","value":"final"},`, 1000) + `{"op":"remove","path":"/note"}]`, 400},
		"nothing":             {`[]`, 400},
		"no escape":           {`[{"op":"remove","path":"/note~2"}]`, 400},
		"half an escape":      {`[{"op":"remove","path":"/note~"}]`, 400},
		"an empty name":       {`[{"op":"copy","from":"/note/","path":"/note/0"}]`, 422},
		"a leading zero":      {`[{"op":"remove","path":"/note/00"}]`, 422},
		"a sign":              {`[{"op":"remove","path":"/note/+1"}]`, 422},
		"into itself":         {`[{"op":"move","from":"/note","path":"/note/0"}]`, 422},
		"a failed test":       {`[{"op":"test","path":"/status","value":"Jane"}]`, 422},
		"a missing path":      {`[{"op":"remove","path":"/Jane"}]`, 422},
		"an index too far":    {`[{"op":"replace","path":"/note/7","value":{"text":"Jane"}}]`, 422},
		"an index below none": {`[{"op":"remove","path":"/note/-1"}]`, 422},
		"another id":          {`[{"op":"replace","path":"/id","value":"2"}]`, 422},
		"another type":        {`[{"op":"remove","path":"/resourceType"}]`, 422},
		"the id moved":        {`[{"op":"move","from":"/id","path":"/note/0/id"}]`, 422},
		"doubled for ever":    {`[` + strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"/note","path":"/note/-"},`, 40), ",") + `]`, 422},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := patch.Apply([]byte(observation), []byte(test.patch))
			e, ok := errors.AsType[*fhir.Error](err)
			if !ok || fhirhttp.Status(e) != test.want {
				t.Fatalf("got %d bytes, %v, want %d", len(got), err, test.want)
			}
			if strings.Contains(e.Issues[0].Details, "Jane") {
				t.Errorf("a value is told: %s", e.Issues[0].Details)
			}
		})
	}
}

func TestApplySaysWhichOperation(t *testing.T) {
	for changes, want := range map[string]string{
		`[{"op":"remove","path":"/note/0"},{"op":"remove","path":"/note/0"},{"op":"remove","path":"/note/0"},{"op":"remove","path":"/status"}]`: "Operation 2 ",
		`[{"op":"remove","path":"/note"},{"op":"test","path":"/id","value":"1"},{"op":"test","path":"/status","value":"x"}]`:                    "Operation 2 ",
		`[{"op":"remove","path":"/a"},{"op":"test","path":"/status","value":"x"}]`:                                                              "Operation 0 ",
		`[{"op":"remove","path":"/note"},{"op":"add","path":"/note"}]`:                                                                          "Operation 1 ",
		`[{"op":"remove","path":"/note"},{"op":"replace","path":"/id","value":"2"}]`:                                                            "Operation 1 ",
	} {
		_, err := patch.Apply([]byte(observation), []byte(changes))
		e, ok := errors.AsType[*fhir.Error](err)
		if !ok || !strings.HasPrefix(e.Issues[0].Details, want) || e.Issues[0].Expression != "" {
			t.Errorf("%s: got %+v, want %s… and no expression", changes, err, want)
		}
	}
}

// TestHostilePatchEnds: a patch may have as many operations as it may, and a resource be as large. The first of these once
// took minutes for the largest resource.
func TestHostilePatchEnds(t *testing.T) {
	large := `{"resourceType":"Observation","id":"1","status":"final","note":[` + strings.TrimSuffix(strings.Repeat(`{"text":"abcdefghijklmnop"},`, 10_000), ",") + `]}`
	change, test := `{"op":"replace","path":"/status","value":"final"},`, `{"op":"test","path":"/status","value":"final"},`
	for name, c := range map[string]struct {
		operations string
		want       int // 0: applies
	}{
		"a thousand changes":   {strings.Repeat(change, 1000), 0},
		"a thousand tests":     {strings.Repeat(test, 1000), 0},
		"the last fails":       {strings.Repeat(change, 999) + `{"op":"remove","path":"/a"},`, 422},
		"a test for each":      {strings.Repeat(test+change, 500), 422},
		"at the array's start": {strings.Repeat(`{"op":"add","path":"/note/0","value":{"text":"a"}},`, 1000), 0},
		"copies":               {strings.Repeat(`{"op":"copy","from":"/note","path":"/a"},`, 1000), 422},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := patch.Apply([]byte(large), []byte("["+strings.TrimSuffix(c.operations, ",")+"]"))
			if c.want == 0 && err == nil {
				return
			}
			if e, ok := errors.AsType[*fhir.Error](err); !ok || fhirhttp.Status(e) != c.want {
				t.Errorf("got %v, want status %d", err, c.want)
			}
		})
	}
}

func FuzzApply(f *testing.F) {
	f.Add(observation, `[{"op":"add","path":"/note/-","value":{"text":"c"}},{"op":"copy","from":"/note/0","path":"/note/1"}]`)
	f.Add(`{"resourceType":"Patient","id":"1"}`, `[{"op":"move","from":"/a~1b","path":"/c~0d"}]`)
	f.Fuzz(func(t *testing.T, resource, changes string) {
		if _, err := fhir.Parse([]byte(resource), "Resource", fhir.Limits{}); err != nil {
			return
		}
		got, err := patch.Apply([]byte(resource), []byte(changes))
		if err != nil {
			if _, ok := errors.AsType[*fhir.Error](err); !ok {
				t.Errorf("got %v, want an *fhir.Error", err)
			}
			return
		}
		before, _ := fhir.Parse([]byte(resource), "Resource", fhir.Limits{})
		after, err := fhir.Parse(got, "Resource", fhir.Limits{})
		if err == nil && (after.Get("id").Text() != before.Get("id").Text() || after.ResourceType() != before.ResourceType()) {
			t.Errorf("the patch changed type or id: %s", got)
		}
	})
}
