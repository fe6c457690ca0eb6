package schemas_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// brokenInstance is a file of testdata/invalid, as schemas/corpus writes it: an instance that conforms, and the ways
// to break it.
type brokenInstance struct {
	Instance json.RawMessage
	Cases    []brokenCase
}

type brokenCase struct {
	Kind, Name string
	Patch      []struct {
		Op, Path string
		Value    any
	}
	Want wantedIssue
}

// wantedIssue is what the corpus wants of an issue: all but its words.
type wantedIssue struct{ Severity, Code, Expression, Rule, Source string }

// TestCorpusIsFlagged breaks an instance of each Australian profile, one rule at a time, and wants the issue that
// tells: of the right severity, code, expression, rule and definition. It prints the share for each kind of fault.
func TestCorpusIsFlagged(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "invalid", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	v := schemas.New(schemas.Config{Defaults: schemas.Off})
	cases, flagged := map[string]int{}, map[string]int{}
	for _, path := range paths {
		var file brokenInstance
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		unbroken := issuesOf(t, v, file.Instance)
		for _, i := range unbroken {
			if i.Severity == string(fhir.SeverityError) {
				t.Errorf("%s: the unbroken instance: %v", filepath.Base(path), i)
			}
		}
		for _, c := range file.Cases {
			cases[c.Kind]++
			got := issuesOf(t, v, c.broken(t, file.Instance))
			// What is told of the unbroken instance, too, tells nothing.
			if slices.Contains(got, c.Want) && !slices.Contains(unbroken, c.Want) {
				flagged[c.Kind]++
				continue
			}
			t.Logf("missed: %s: %s: %s\n\twant %v\n\tgot  %v", filepath.Base(path), c.Kind, c.Name, c.Want, got)
		}
	}

	table := fmt.Sprintf("\n%-20s %6s %8s %8s", "kind of fault", "cases", "flagged", "share")
	all, found := 0, 0
	for _, kind := range slices.Sorted(maps.Keys(cases)) {
		table += fmt.Sprintf("\n%-20s %6d %8d %6.1f %%", kind, cases[kind], flagged[kind], share(flagged[kind], cases[kind]))
		all, found = all+cases[kind], found+flagged[kind]
	}
	t.Logf("%s\n%-20s %6d %8d %6.1f %%", table, "all", all, found, share(found, all))
	if all < 500 || share(found, all) < 99 {
		t.Errorf("got %d of %d cases flagged, want 99 %% of at least 500", found, all)
	}
}

func share(part, all int) float64 { return 100 * float64(part) / float64(all) }

// issuesOf is what v says about a document.
func issuesOf(t *testing.T, v *schemas.Validator, document []byte) []wantedIssue {
	t.Helper()
	resource, err := fhir.Parse(document, "Resource", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var issues []wantedIssue
	for _, i := range v.Check(resource, "") {
		issues = append(issues, wantedIssue{string(i.Severity), string(i.Code), i.Expression, i.Rule, i.Source})
	}
	return issues
}

// broken returns the instance after the case's patch.
func (c brokenCase) broken(t *testing.T, instance []byte) []byte {
	t.Helper()
	var document any
	if err := json.Unmarshal(instance, &document); err != nil {
		t.Fatal(err)
	}
	for _, edit := range c.Patch {
		var err error
		if document, err = patched(document, edit.Op, strings.Split(edit.Path, "/")[1:], edit.Value); err != nil {
			t.Fatalf("%s: %s %s: %v", c.Name, edit.Op, edit.Path, err)
		}
	}
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// patched returns v after one operation of JSON Patch (RFC 6902): add, remove or replace.
func patched(v any, op string, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	switch v := v.(type) {
	case map[string]any:
		child, found := v[path[0]]
		switch {
		case !found && (len(path) > 1 || op != "add"):
			return nil, fmt.Errorf("nothing is called %s", path[0])
		case len(path) == 1 && op == "remove":
			delete(v, path[0])
			return v, nil
		}
		var err error
		v[path[0]], err = patched(child, op, path[1:], value)
		return v, err
	case []any:
		if path[0] == "-" {
			return append(v, value), nil
		}
		i, err := strconv.Atoi(path[0])
		switch {
		case err != nil || i < 0 || i >= len(v):
			return nil, fmt.Errorf("there is no item %s", path[0])
		case len(path) == 1 && op == "remove":
			return slices.Delete(v, i, i+1), nil
		case len(path) == 1 && op == "add":
			return slices.Insert(v, i, value), nil
		}
		v[i], err = patched(v[i], op, path[1:], value)
		return v, err
	}
	return nil, fmt.Errorf("%s stands in no object and no array", path[0])
}
