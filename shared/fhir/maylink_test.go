package fhir_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// TestMayLinkKnowsEveryLinkingElement reads the schemas of all types.
func TestMayLinkKnowsEveryLinkingElement(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "schemas", "r4", "*.schema.json"))
	if err != nil || len(files) < 140 {
		t.Fatalf("got %d schemas, %v", len(files), err)
	}
	linking, other := map[string]bool{"reference": true}, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var schema any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		elements(schema, func(name string, typ string) {
			switch typ {
			case "uri", "url", "canonical", "oid", "uuid":
				linking[name] = true
			default:
				other[name] = true
			}
		})
	}
	var missing []string
	for name := range linking {
		if !fhir.MayLink(name) {
			missing = append(missing, name)
		}
	}
	if diff := cmp.Diff([]string{"code"}, missing); diff != "" {
		t.Errorf("linking elements that MayLink does not know (-want +got):\n%s", diff)
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		if fhir.MayLink(name) && !linking[name] {
			t.Errorf("%s is never a link", name)
		}
	}
}

// elements calls visit for the properties below a schema that are primitives, with the names of their types.
func elements(schema any, visit func(name, typ string)) {
	switch v := schema.(type) {
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for name, property := range properties {
				references(property, func(typ string) { visit(name, typ) })
			}
		}
		for _, child := range v {
			elements(child, visit)
		}
	case []any:
		for _, child := range v {
			elements(child, visit)
		}
	}
}

// references calls visit for the primitives that a property refers to, of an array those of its items.
func references(property any, visit func(typ string)) {
	switch v := property.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if _, typ, ok := strings.Cut(ref, "primitives.schema.json#/definitions/"); ok {
				visit(typ)
			}
		}
		for _, child := range v {
			references(child, visit)
		}
	case []any:
		for _, child := range v {
			references(child, visit)
		}
	}
}
