package invariant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gofhir/fhirpath"
	"github.com/gofhir/fhirpath/eval"
	"github.com/gofhir/fhirpath/funcs"
	"github.com/gofhir/fhirpath/types"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// What an expression and its evaluation may cost. The time is looked at between the steps of where(), all() and
// select(), so that the size of what they see counts, too.
const (
	maxExpression  = 4 << 10
	maxEngineInput = 256 << 10 // bytes of the element and the resources together
	maxEngineTime  = time.Second
	maxCollection  = 10_000
)

// Engine returns a rule for an expression that Lookup does not know: one of a profile that an operator has added. It
// is compiled once, and evaluated by a general engine some hundred times slower than the rules written here, within
// bounds of time and size; it never writes what it sees anywhere, trace() included. Where the engine cannot tell,
// because it fails or what decides is not in the document, the verdict is Unknown.
//
// The engine does not know the types of elements, but guesses them: a string that looks like a date is one. An error
// names what it cannot do at all.
func Engine(expression string) (Func, error) {
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("compile FHIRPath: more than %d characters", maxExpression)
	}
	silence()
	if err := checkFunctions(expression); err != nil {
		return nil, fmt.Errorf("compile FHIRPath: %w", err)
	}
	compiled, err := fhirpath.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("compile FHIRPath: %w", err)
	}
	seesResource := strings.Contains(expression, "%resource") || strings.Contains(expression, "%rootResource")
	return func(env Env, e element.Element) Verdict {
		q := &query{env: env, budget: maxEngineInput}
		this := q.value(e)
		ctx := eval.NewContext([]byte("{}"))
		ctx.SetVariable("context", this)
		ctx.SetVariable("ucum", types.Collection{types.NewString(ucum)})
		ctx.SetVariable("sct", types.Collection{types.NewString(snomed)})
		ctx.SetVariable("loinc", types.Collection{types.NewString("http://loinc.org")})
		if seesResource {
			ctx.SetVariable("resource", q.value(element.Of(env.Resource)))
			ctx.SetVariable("rootResource", q.value(element.Of(env.Root)))
		}
		ctx.SetResolver(q)
		ctx.SetTerminologyService(q)
		ctx.SetLimit("maxCollectionSize", maxCollection)
		return q.evaluate(compiled, ctx.WithThis(this))
	}, nil
}

// silence stops trace() from writing to standard error, for all users of the engine: it prints what it is called on.
var silence = sync.OnceFunc(func() { funcs.SetTraceLogger(funcs.NullTraceLogger{}) })

// unfit are functions that the engine has and does not carry out.
var unfit = regexp.MustCompile(`^(repeat|conformsTo)$`)

var (
	literal = regexp.MustCompile(`'(\\.|[^'\\])*'`)
	called  = regexp.MustCompile(`([A-Za-z]+)\s*\(`)
	keyword = regexp.MustCompile(`^(and|or|xor|implies|in|contains|is|as|div|mod)$`)
)

// checkFunctions returns an error that names a function of expression that the engine does not carry out.
func checkFunctions(expression string) error {
	for _, match := range called.FindAllStringSubmatch(literal.ReplaceAllString(expression, "''"), -1) {
		name := match[1]
		if _, known := funcs.GetRegistry().Get(name); !known && !keyword.MatchString(name) || unfit.MatchString(name) {
			return fmt.Errorf("the function %s() is not supported", name)
		}
	}
	return nil
}

// query is one evaluation.
type query struct {
	env    Env
	budget int // bytes that may still be given to the engine
	// undecided tells that the engine had to do without something: a false result may be due to it.
	undecided bool
}

// evaluate returns the verdict of compiled, as HL7's validator reads a result: true, or anything at all that is no
// boolean. A fault of the engine is no verdict, whatever it is: it has not seen much of the world yet.
func (q *query) evaluate(compiled *fhirpath.Expression, ctx *eval.Context) (verdict Verdict) {
	if q.budget < 0 {
		return Unknown
	}
	defer func() {
		if recover() != nil {
			verdict = Unknown
		}
	}()
	within, cancel := context.WithTimeout(context.Background(), maxEngineTime)
	defer cancel()
	ctx.SetContext(within)
	result, err := compiled.EvaluateWithContext(ctx)
	holds := len(result) > 0
	if len(result) == 1 {
		if b, ok := result[0].(types.Boolean); ok {
			holds = b.Bool()
		}
	}
	switch {
	case err != nil:
		return Unknown
	case holds:
		return Holds
	case q.undecided:
		return Unknown
	default:
		return Fails
	}
}

// value is e as the engine takes it; nothing of what is too large.
func (q *query) value(e element.Element) types.Collection {
	if !e.HasValue() && e.Sibling != nil {
		e = element.Of(e.Sibling)
	}
	data := q.json(e.Value)
	if data == nil {
		return nil
	}
	collection, err := types.JSONToCollection(data)
	if err != nil {
		q.undecided = true
	}
	return collection
}

// json writes v for an engine that does not know _name: what has extensions alone becomes an object under name, and
// what is beside a value is lost.
func (q *query) json(v *fhir.Value) []byte {
	plain, lost := withoutSiblings(v.Any())
	q.undecided = q.undecided || lost
	data, err := json.Marshal(plain)
	if err != nil {
		panic(err) // decoded JSON always encodes
	}
	if q.budget -= len(data); q.budget < 0 {
		return nil
	}
	return data
}

// withoutSiblings returns decoded JSON as json gives it to the engine, and whether something was lost.
func withoutSiblings(v any) (plain any, lost bool) {
	switch v := v.(type) {
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, child := range v {
			property, isSibling := strings.CutPrefix(name, "_")
			if isSibling {
				var left bool
				child, left = withSiblings(v[property], child)
				lost = lost || left
			} else if v["_"+name] != nil {
				continue
			}
			inner, left := withoutSiblings(child)
			object[property], lost = inner, lost || left
		}
		return object, lost
	case []any:
		array := make([]any, len(v))
		for i := range v {
			inner, left := withoutSiblings(v[i])
			array[i], lost = inner, lost || left
		}
		return array, lost
	default:
		return v, false
	}
}

// withSiblings returns a primitive, or an array of them, with siblings where a value is missing.
func withSiblings(value, sibling any) (merged any, lost bool) {
	values, isArray := value.([]any)
	siblings, _ := sibling.([]any)
	switch {
	case value == nil:
		return sibling, false
	case !isArray:
		return value, true
	}
	all := make([]any, len(values))
	for i := range values {
		all[i] = values[i]
		if i < len(siblings) && siblings[i] != nil {
			lost = lost || values[i] != nil
			if values[i] == nil {
				all[i] = siblings[i]
			}
		}
	}
	return all, lost
}

// Resolve is resolve() within the document.
func (q *query) Resolve(_ context.Context, reference string) ([]byte, error) {
	found, _ := q.env.Resolve(reference)
	if found != nil {
		if data := q.json(found); data != nil {
			return data, nil
		}
	}
	q.undecided = true
	return nil, errors.New("not in the document")
}

// MemberOf is memberOf() of a Coding or a CodeableConcept, as the engine decodes it.
func (q *query) MemberOf(_ context.Context, code any, url string) (bool, error) {
	concept, _ := code.(map[string]any)
	codings, _ := concept["coding"].([]map[string]any)
	if codings == nil {
		codings = []map[string]any{concept}
	}
	for _, coding := range codings {
		system, _ := coding["system"].(string)
		code, _ := coding["code"].(string)
		if code == "" {
			continue
		}
		verdict := terminology.Unknown
		if q.env.ValueSets != nil {
			verdict = q.env.ValueSets.Contains(url, system, code)
		}
		if verdict == terminology.In {
			return true, nil
		}
		q.undecided = q.undecided || verdict == terminology.Unknown
	}
	return false, nil
}
