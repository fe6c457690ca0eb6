package compile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

// TestMembers states what is held of value sets that name a complete system "tree" (a over b and c, d alone), an
// incomplete one "part", large ones, and others that no package holds.
func TestMembers(t *testing.T) {
	const tested = "http://e.x/tested"
	under := func(op, code string) []filter { return []filter{{Property: "concept", Op: op, Value: code}} }
	listed := func(codes ...string) []concept {
		var all []concept
		for _, code := range codes {
			all = append(all, concept{Code: code})
		}
		return all
	}
	large := make([]concept, maxMembers+1)
	for i := range large {
		large[i].Code = fmt.Sprint(i)
	}
	sorted := func(concepts []concept) []string { return slices.Sorted(slices.Values(flatten(nil, concepts))) }
	type codes = map[string][]string
	for _, tt := range []struct {
		name             string
		include, exclude []conceptSet
		want             *terminology.ValueSet
	}{
		{"whole system that is held", []conceptSet{{System: "tree"}}, nil,
			&terminology.ValueSet{Codes: codes{"tree": {"a", "b", "c", "d"}}}},
		{"whole system that is not", []conceptSet{{System: "far"}}, nil, &terminology.ValueSet{Codes: codes{"far": {}}}},
		{"part of a system", []conceptSet{{System: "part"}}, nil, &terminology.ValueSet{Codes: codes{"part": {}}}},
		{"is-a", []conceptSet{{System: "tree", Filter: under("is-a", "a")}}, nil,
			&terminology.ValueSet{Codes: codes{"tree": {"a", "b", "c"}}}},
		{"descendent-of", []conceptSet{{System: "tree", Filter: under("descendent-of", "a")}}, nil,
			&terminology.ValueSet{Codes: codes{"tree": {"b", "c"}}}},
		{"parents told by a property", []conceptSet{{System: "flat", Filter: under("is-a", "x")}}, nil,
			&terminology.ValueSet{Codes: codes{"flat": {"x", "y"}}}},
		{"filter of another kind", []conceptSet{{System: "tree", Filter: under("regex", "a")}}, nil, nil},
		{"filter on a system that is not held", []conceptSet{{System: "far", Filter: under("is-a", "a")}}, nil, nil},
		{"beside a filter that cannot be followed",
			[]conceptSet{{System: "far", Filter: under("is-a", "a")}, {System: "far", Concept: listed("z")}, {System: "tree"}}, nil,
			&terminology.ValueSet{Codes: codes{"tree": {"a", "b", "c", "d"}}, Partial: true}},
		{"exclude codes", []conceptSet{{System: "tree"}}, []conceptSet{{System: "tree", Concept: listed("a")}},
			&terminology.ValueSet{Codes: codes{"tree": {"b", "c", "d"}}}},
		{"exclude by a filter", []conceptSet{{System: "tree"}}, []conceptSet{{System: "tree", Filter: under("is-a", "a")}},
			&terminology.ValueSet{Codes: codes{"tree": {"d"}}}},
		{"exclude from a system that is not held", []conceptSet{{System: "far"}, {System: "tree"}},
			[]conceptSet{{System: "far", Concept: listed("z")}},
			&terminology.ValueSet{Codes: codes{"tree": {"a", "b", "c", "d"}}, Partial: true}},
		{"exclude a value set", []conceptSet{{System: "tree"}}, []conceptSet{{ValueSet: []string{"http://e.x/other"}}}, nil},
		{"another value set", []conceptSet{{ValueSet: []string{"http://e.x/other|1"}}}, nil,
			&terminology.ValueSet{Codes: codes{"far": {"z"}}}},
		{"what two value sets share", []conceptSet{{ValueSet: []string{"http://e.x/other", "http://e.x/other"}}}, nil, nil},
		{"part of a system by a value set", []conceptSet{{System: "tree", ValueSet: []string{"http://e.x/other"}}}, nil, nil},
		{"a value set that is not held: any system may have more members",
			[]conceptSet{{System: "tree"}, {ValueSet: []string{"http://e.x/nowhere"}}}, nil, nil},
		{"itself", []conceptSet{{ValueSet: []string{tested}}}, nil, nil},
		{"too many", []conceptSet{{System: "large"}, {System: "tree"}}, nil,
			&terminology.ValueSet{Codes: codes{"tree": {"a", "b", "c", "d"}}, Partial: true}},
		{"too many together: the first by name are held", []conceptSet{{System: "half 2"}, {System: "half 1"}}, nil,
			&terminology.ValueSet{Codes: codes{"half 1": sorted(large[:maxMembers/2+1])}, Partial: true}},
		{"nothing", nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDefinitions()
			below := concept{Code: "y"}
			below.Property = append(below.Property, struct {
				Code      string `json:"code"`
				ValueCode string `json:"valueCode"`
			}{"subsumedBy", "x"})
			d.systems = map[string]*codeSystem{
				"tree":   {Content: "complete", Concept: []concept{{Code: "a", Concept: listed("b", "c")}, {Code: "d"}}},
				"flat":   {Content: "complete", Concept: []concept{{Code: "x"}, below, {Code: "w"}}},
				"part":   {Content: "fragment", Concept: listed("p")},
				"large":  {Content: "complete", Concept: large},
				"half 1": {Content: "complete", Concept: large[:maxMembers/2+1]},
				"half 2": {Content: "complete", Concept: large[:maxMembers/2+1]},
			}
			set, other := &valueSet{}, &valueSet{}
			set.Compose.Include, set.Compose.Exclude = tt.include, tt.exclude
			other.Compose.Include = []conceptSet{{System: "far", Concept: listed("z")}}
			d.valueSets = map[string]*valueSet{tested: set, "http://e.x/other": other}
			if diff := cmp.Diff(tt.want, d.members(tested)); diff != "" {
				t.Errorf("members: (-want +got)\n%s", diff)
			}
		})
	}
}

// TestMembersByExpansion takes a published expansion where the definition cannot be followed, if it is complete.
func TestMembersByExpansion(t *testing.T) {
	full := expansion{Total: 2, Contains: []contained{{System: "far", Code: "z", Contains: []contained{{System: "far", Code: "y"}}}}}
	cut := full
	cut.Total = 3
	for name, tt := range map[string]struct {
		published expansion
		want      *terminology.ValueSet
	}{
		"complete": {full, &terminology.ValueSet{Codes: map[string][]string{"far": {"y", "z"}}}},
		"cut":      {cut, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDefinitions()
			set := &valueSet{}
			set.Compose.Include = []conceptSet{{System: "far", Filter: []filter{{Property: "concept", Op: "is-a", Value: "z"}}}}
			d.valueSets["http://e.x/v"] = set
			if c := tt.published.collection(); c != nil {
				d.expansions["http://e.x/v"] = c
			}
			if diff := cmp.Diff(tt.want, d.members("http://e.x/v")); diff != "" {
				t.Errorf("members: (-want +got)\n%s", diff)
			}
		})
	}
}
