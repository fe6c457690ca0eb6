package invariant_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// onlyRed is a ValueSets that knows the value set colours, and of it red and blue.
type onlyRed struct{}

func (onlyRed) Contains(valueSet, _, code string) terminology.Verdict {
	switch {
	case valueSet != "http://example.org/ValueSet/colours":
		return terminology.Unknown
	case code == "red":
		return terminology.In
	default:
		return terminology.Out
	}
}

func parse(t testing.TB, text string) *fhir.Value {
	t.Helper()
	v, err := fhir.Parse([]byte(text), "", fhir.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func rootEnv(v *fhir.Value) invariant.Env {
	return invariant.Env{Scope: element.NewDocument(v).Root(), ValueSets: onlyRed{}}
}

func TestEngine(t *testing.T) {
	for _, test := range []struct {
		name, expression, document string
		want                       invariant.Verdict
	}{
		{"true", "name.family.exists()", `{"resourceType":"Patient","name":[{"family":"x"}]}`, invariant.Holds},
		{"false", "name.family.exists()", `{"resourceType":"Patient","name":[{"text":"x"}]}`, invariant.Fails},
		{"empty", "name.family.startsWith('x')", `{"resourceType":"Patient"}`, invariant.Fails},
		{"no boolean", "name", `{"resourceType":"Patient","name":[{"text":"x"},{"text":"y"}]}`, invariant.Holds},
		{"resource", "name.count() = %resource.name.count()", `{"resourceType":"Patient","name":[{"text":"x"}]}`, invariant.Holds},
		{"error", "name.text.single() = 'x'", `{"resourceType":"Patient","name":[{"text":"x"},{"text":"y"}]}`, invariant.Unknown},
		{"extensions alone exist", "birthDate.exists()", `{"resourceType":"Patient","_birthDate":{"extension":[{"url":"x"}]}}`, invariant.Holds},
		{"extensions beside a value", "birthDate.extension.exists()", `{"resourceType":"Patient","birthDate":"2000","_birthDate":{"extension":[{"url":"x"}]}}`, invariant.Unknown},
		{"extensions beside one of two", "name.given.extension.exists()", `{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"x"}]}]}]}`, invariant.Holds},
		{"member", "code.memberOf('http://example.org/ValueSet/colours')", `{"resourceType":"Basic","code":{"coding":[{"code":"red"}]}}`, invariant.Holds},
		{"no member", "code.memberOf('http://example.org/ValueSet/colours')", `{"resourceType":"Basic","code":{"coding":[{"code":"green"}]}}`, invariant.Fails},
		{"value set unknown", "code.memberOf('http://example.org/ValueSet/sounds')", `{"resourceType":"Basic","code":{"coding":[{"code":"red"}]}}`, invariant.Unknown},
		{"resolved", "subject.resolve().active = true", `{"resourceType":"Basic","subject":{"reference":"#a"},"contained":[{"resourceType":"Patient","id":"a","active":true}]}`, invariant.Holds},
		{"elsewhere", "subject.resolve().active = true", `{"resourceType":"Basic","subject":{"reference":"Patient/a"}}`, invariant.Unknown},
		{"too large", "text.exists()", `{"resourceType":"Patient","text":{"div":"` + strings.Repeat("x", 1<<20) + `"}}`, invariant.Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			check, err := invariant.Engine(test.expression)
			if err != nil {
				t.Fatal(err)
			}
			v := parse(t, test.document)
			if got := check(rootEnv(v), element.Of(v)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestEngineRefuses(t *testing.T) {
	for _, expression := range []string{"", "name.", "repeat(item).exists()", "htmlChecks()", "exists(" + strings.Repeat("(", 5000)} {
		if _, err := invariant.Engine(expression); err == nil {
			t.Errorf("got no error for %.40s", expression)
		}
	}
}

// TestEngineTracesNothing also shows that parentheses in a literal are no call.
func TestEngineTracesNothing(t *testing.T) {
	check, err := invariant.Engine("name.family.trace('zqx(').exists()")
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, stdout := os.Stderr, os.Stdout
	os.Stderr, os.Stdout = w, w
	v := parse(t, `{"resourceType":"Patient","name":[{"family":"zqxcanary"}]}`)
	got := check(rootEnv(v), element.Of(v))
	os.Stderr, os.Stdout = stderr, stdout
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	printed, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got != invariant.Holds || len(printed) > 0 {
		t.Errorf("got %v and %d bytes printed, want holds and none", got, len(printed))
	}
}
