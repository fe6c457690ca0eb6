package invariant_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gofhir/fhirpath"
	"github.com/gofhir/fhirpath/eval"
	"github.com/gofhir/fhirpath/funcs"
	"github.com/gofhir/fhirpath/types"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// oracle evaluates rules with a FHIRPath engine that knows nothing of this package.
type oracle struct {
	compiled  map[string]*fhirpath.Expression
	resources map[*fhir.Value]types.Collection
}

func newOracle() *oracle {
	funcs.SetTraceLogger(funcs.NullTraceLogger{})
	return &oracle{map[string]*fhirpath.Expression{}, map[*fhir.Value]types.Collection{}}
}

// check returns what the engine makes of expression at n; an error is the engine's.
func (o *oracle) check(t testing.TB, expression string, env invariant.Env, n node) (invariant.Verdict, error) {
	t.Helper()
	compiled := o.compiled[expression]
	if compiled == nil {
		var err error
		if compiled, err = fhirpath.Compile(expression); err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		o.compiled[expression] = compiled
	}
	this := types.Collection{o.value(n)}
	ctx := eval.NewContext([]byte("{}"))
	ctx.SetVariable("context", this)
	if strings.Contains(expression, "%r") {
		ctx.SetVariable("resource", o.resource(env.Resource))
		ctx.SetVariable("rootResource", o.resource(env.Root))
	}
	ctx.SetVariable("ucum", types.Collection{types.NewString("http://unitsofmeasure.org")})
	ctx.SetResolver(resolver{env})
	ctx.SetTerminologyService(valueSets{env.ValueSets})
	result, err := compiled.EvaluateWithContext(ctx.WithThis(this))
	if err != nil {
		return invariant.Unknown, err
	}
	if len(result) == 1 {
		if b, ok := result[0].(types.Boolean); ok && b.Bool() {
			return invariant.Holds, nil
		}
	}
	return invariant.Fails, nil
}

// value is n as the engine takes it: a primitive by its type, everything else as JSON.
func (o *oracle) value(n node) types.Value {
	switch n.Value.Kind() {
	case fhir.String:
		var v types.Value
		err := errors.New("a string")
		switch n.typ {
		case "date":
			v, err = types.NewDate(n.Text())
		case "dateTime", "instant":
			v, err = types.NewDateTime(n.Text())
		}
		if err != nil {
			return types.NewString(n.Text())
		}
		return v
	case fhir.Number, fhir.Bool:
		c, err := types.JSONToCollection([]byte(n.Text()))
		if err != nil {
			panic(err)
		}
		return c[0]
	case fhir.Null:
		return types.NewObjectValueWithType(engineJSON(n.Sibling), n.typ)
	default:
		if n.Value.ResourceType() != "" {
			return types.NewObjectValue(engineJSON(n.Value))
		}
		return types.NewObjectValueWithType(engineJSON(n.Value), n.typ)
	}
}

func (o *oracle) resource(v *fhir.Value) types.Collection {
	if o.resources[v] == nil {
		o.resources[v] = types.Collection{types.NewObjectValue(engineJSON(v))}
	}
	return o.resources[v]
}

// engineJSON writes v as Engine does.
func engineJSON(v *fhir.Value) []byte {
	data, err := json.Marshal(invariant.WithoutSiblings(v.Any()))
	if err != nil {
		panic(err)
	}
	return data
}

// resolver is resolve() within the document.
type resolver struct{ env invariant.Env }

func (r resolver) Resolve(_ context.Context, reference string) ([]byte, error) {
	found, _ := r.env.Resolve(reference)
	if found == nil {
		return nil, errors.New("not in the document")
	}
	return engineJSON(found), nil
}

// valueSets is memberOf(). The engine takes an error for false.
type valueSets struct{ sets invariant.ValueSets }

func (v valueSets) MemberOf(_ context.Context, code any, url string) (bool, error) {
	concept, _ := code.(map[string]any)
	codings, _ := concept["coding"].([]map[string]any)
	if codings == nil {
		codings = []map[string]any{concept}
	}
	for _, coding := range codings {
		system, _ := coding["system"].(string)
		code, _ := coding["code"].(string)
		if code != "" && v.sets.Contains(url, system, code) == terminology.In {
			return true, nil
		}
	}
	return false, nil
}

// source is v as JSON, or a primitive's text; all documents here are synthetic.
func source(v *fhir.Value) string {
	if v.Kind() != fhir.Object {
		return v.Text()
	}
	return "{" + v.Members(func(string, string) (string, bool) { return "", false }) + "}"
}
