package invariant

import (
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// stated is an invariant as a compiled table states it.
type stated struct{ Key, Severity, Human, Expression string }

// statedIn returns the invariants of all tables in the folders of package schemas, by file.
func statedIn(t testing.TB) map[string][]stated {
	t.Helper()
	found := map[string][]stated{}
	for _, folder := range []string{"r4", "profiles"} {
		files, err := fs.Glob(os.DirFS("../"+folder), "*.json")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, name := range files {
			data, err := os.ReadFile("../" + folder + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			var content any
			if err := json.Unmarshal(data, &content); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			found[folder+"/"+name] = invariantsIn(content)
		}
	}
	return found
}

func invariantsIn(content any) []stated {
	var found []stated
	switch content := content.(type) {
	case map[string]any:
		list, _ := content["invariants"].([]any)
		for _, item := range list {
			if i, ok := item.(map[string]any); ok {
				text := func(name string) string { s, _ := i[name].(string); return s }
				found = append(found, stated{text("key"), text("severity"), text("human"), text("expression")})
			}
		}
		for _, child := range content {
			found = append(found, invariantsIn(child)...)
		}
	case []any:
		for _, child := range content {
			found = append(found, invariantsIn(child)...)
		}
	}
	return found
}

// TestEveryStatedInvariantHasARule also holds the keys here against the published ones.
func TestEveryStatedInvariantHasARule(t *testing.T) {
	used := map[string]bool{}
	for file, invariants := range statedIn(t) {
		for _, i := range invariants {
			r, ok := rules()[normal(i.Expression)]
			if !ok {
				t.Errorf("%s: no rule for %s: %s", file, i.Key, i.Expression)
				continue
			}
			if !slices.Contains(strings.Fields(r.keys), i.Key) {
				t.Errorf("%s: %s stands among the keys %s of its rule nowhere", file, i.Key, r.keys)
			}
			used[i.Key] = true
		}
	}
	if len(used) < 300 {
		t.Errorf("got %d keys in the tables, want all of R4 and Australia", len(used))
	}
	for _, r := range written() {
		for key := range strings.FieldsSeq(r.keys) {
			if !used[key] && !unstated[key] {
				t.Errorf("%s: no table states it", key)
			}
		}
	}
}

// unstated are rules that no table has: those of this package's everywhere.go, and such as stand in the definitions of
// types that FHIR refers to nowhere by name.
var unstated = map[string]bool{
	"ele-1": true, "ext-1": true, "dom-2": true, "dom-3": true, "dom-4": true, "dom-5": true, "dom-6": true,
	"inv-0": true, "mqty-1": true, "sqty-1": true, "tst-8": true, "tst-9": true,
}
