package invariant_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// applied is a rule with an element that it applies to.
type applied struct {
	check invariant.Func
	env   invariant.Env
	e     element.Element
}

// BenchmarkReferral evaluates every rule on all elements of a referral that it can apply to, profiles claimed or not.
func BenchmarkReferral(b *testing.B) {
	data, err := os.ReadFile("../../testdata/referrals/cardiology-referral.json")
	if err != nil {
		b.Fatal(err)
	}
	tables, sets := readTables(b), terminology.New(os.DirFS("../profiles"))
	root := parse(b, string(data))
	var all []applied
	tables.walk(node{element.Of(root), root.ResourceType(), element.NewDocument(root).Root()}, func(n node) {
		for _, r := range tables.placed[n.typ] {
			for _, target := range tables.follow(n, r.at) {
				all = append(all, applied{invariant.Lookup(r.Expression), invariant.Env{Scope: target.scope, ValueSets: sets}, target.Element})
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		for _, a := range all {
			a.check(a.env, a.e)
		}
	}
	b.ReportMetric(float64(len(all)), "rules/op")
}

// BenchmarkHeaviest evaluates the rules that look at much of a resource, each on a large one.
func BenchmarkHeaviest(b *testing.B) {
	for _, bench := range []struct{ name, expression, document string }{
		{"dom-3", invariant.Everywhere()["dom-3"],
			`{"resourceType":"Patient","contained":[` + repeated(300, `{"resourceType":"Organization","id":"a%d"}`) + `],"generalPractitioner":[` + repeated(300, `{"reference":"#a%d"}`) + `]}`},
		{"bdl-7", "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()",
			`{"resourceType":"Bundle","entry":[` + repeated(1000, `{"fullUrl":"urn:uuid:%d","resource":{"resourceType":"Patient"}}`) + `]}`},
		{"que-2", "descendants().linkId.isDistinct()",
			`{"resourceType":"Questionnaire","item":[` + repeated(1000, `{"linkId":"%d","text":"x"}`) + `]}`},
		{"obs-7", "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
			`{"resourceType":"Observation","valueString":"x","code":{"coding":[` + repeated(300, `{"code":"a%d"}`) + `]},"component":[` + repeated(300, `{"code":{"coding":[{"code":"b%d"}]}}`) + `]}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			v := parse(b, bench.document)
			env, e, check := rootEnv(v), element.Of(v), invariant.Lookup(bench.expression)
			b.ReportAllocs()
			for b.Loop() {
				if check(env, e) != invariant.Holds {
					b.Fatal("the rule does not hold")
				}
			}
		})
	}
}

// BenchmarkEngine evaluates a rule of moderate size on a Patient.
func BenchmarkEngine(b *testing.B) {
	check, err := invariant.Engine("name.where(use = 'official').all(family.exists() and given.exists()) or active = false")
	if err != nil {
		b.Fatal(err)
	}
	v := parse(b, `{"resourceType":"Patient","active":true,"name":[{"use":"official","family":"Test","given":["A"]}]}`)
	env, e := rootEnv(v), element.Of(v)
	b.ReportAllocs()
	for b.Loop() {
		if check(env, e) != invariant.Holds {
			b.Fatal("the rule does not hold")
		}
	}
}

func repeated(n int, format string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(all, ",")
}

// hostileTime is a hundred times what the slowest document here takes: a machine may be busy.
const hostileTime = 30 * time.Second

// TestHostileInput bounds what the rules do with a document that was made to be slow, large as the gate lets through.
func TestHostileInput(t *testing.T) {
	for name, document := range map[string]string{
		"references": `{"resourceType":"Patient","contained":[` + repeated(15_000, `{"resourceType":"Basic","id":"a%d"}`) + `],"generalPractitioner":[` + repeated(15_000, `{"reference":"#a%d"}`) + `]}`,
		"codings":    `{"resourceType":"Observation","valueString":"x","code":{"coding":[` + repeated(20_000, `{"code":"a%d"}`) + `]},"component":[` + repeated(20_000, `{"code":{"coding":[{"code":"b%d"}]}}`) + `]}`,
		"groups":     `{"resourceType":"ImplementationGuide","definition":{"grouping":[` + repeated(20_000, `{"id":"a%d"}`) + `],"resource":[` + repeated(20_000, `{"groupingId":"a%d"}`) + `]}}`,
		"path":       `{"resourceType":"StructureDefinition","differential":{"element":[{"path":"` + strings.Repeat("a.b-c", 200_000) + `"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			v, err := fhir.Parse([]byte(document), "", fhir.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			tables, evaluated, start := readTables(t), 0, time.Now()
			tables.walk(node{element.Of(v), v.ResourceType(), element.NewDocument(v).Root()}, func(n node) {
				for _, r := range tables.placed[n.typ] {
					for _, target := range tables.follow(n, r.at) {
						invariant.Lookup(r.Expression)(invariant.Env{Scope: target.scope}, target.Element)
						evaluated++
					}
				}
			})
			if took := time.Since(start); evaluated == 0 || took > hostileTime {
				t.Errorf("got %d evaluations in %v, want some in %v", evaluated, took, hostileTime)
			}
		})
	}
}
