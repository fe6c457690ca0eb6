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
		"replace":                 {`[{"op":"replace","path":"/status","value":"amended"}]`, `{"resourceType":"Observation","id":"1","status":"amended","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"}],"referenceRange":[{"low":{"value":1e2}}]}`},
		"append":                  {`[{"op":"add","path":"/note/-","value":{"text":"c & d"}},{"op":"test","path":"/status","value":"final"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"},{"text":"c & d"}],"referenceRange":[{"low":{"value":1e2}}]}`},
		"remove":                  {`[{"op":"remove","path":"/note/0"},{"op":"remove","path":"/referenceRange"}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":1.10,"unit":"<m>"},"note":[{"text":"b"}]}`},
		"a number keeps its form": {`[{"op":"replace","path":"/valueQuantity/value","value":2.50}]`, `{"resourceType":"Observation","id":"1","status":"final","valueQuantity":{"value":2.50,"unit":"<m>"},"note":[{"text":"a"},{"text":"b"}],"referenceRange":[{"low":{"value":1e2}}]}`},
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
