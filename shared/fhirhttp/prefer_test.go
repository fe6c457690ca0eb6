package fhirhttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

func TestPrefer(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		want  fhirhttp.Preferences
	}{
		"nothing":       {nil, fhirhttp.Preferences{Wait: -1}},
		"all":           {[]string{`respond-async, wait=10, return=representation; x="a,b"`, `handling="strict"`}, fhirhttp.Preferences{Wait: 10 * time.Second, Async: true, Return: "representation", Handling: "strict"}},
		"the first":     {[]string{`wait=3`, `wait=4, return=minimal, return=representation`}, fhirhttp.Preferences{Wait: 3 * time.Second, Return: "minimal"}},
		"in any case":   {[]string{`Respond-Async, RETURN=operationoutcome`}, fhirhttp.Preferences{Wait: -1, Async: true, Return: "OperationOutcome"}},
		"malformed":     {[]string{`wait=-1, return=everything, handling`, `;;,=,"`}, fhirhttp.Preferences{Wait: -1}},
		"inside quotes": {[]string{`x="respond-async, \" wait=3"`}, fhirhttp.Preferences{Wait: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fhirhttp.Prefer(&http.Request{Header: http.Header{"Prefer": test.lines}}); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
