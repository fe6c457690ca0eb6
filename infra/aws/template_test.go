package aws_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// node is a part of the template, with !Ref x as {"Ref": x} and !Sub x as {"Fn::Sub": x}, as JSON templates have it.
type node map[string]any

// template reads template.yaml.
func template(t testing.TB) node {
	t.Helper()
	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	return value(t, document.Content[0]).(node)
}

func value(t testing.TB, y *yaml.Node) any {
	t.Helper()
	plain := plainValue(t, y)
	if !strings.HasPrefix(y.Tag, "!") || strings.HasPrefix(y.Tag, "!!") {
		return plain
	}
	name := strings.TrimPrefix(y.Tag, "!")
	if name != "Ref" && name != "Condition" {
		name = "Fn::" + name
	}
	return node{name: plain}
}

func plainValue(t testing.TB, y *yaml.Node) any {
	t.Helper()
	if y.Kind == yaml.MappingNode {
		m := node{}
		for i := 0; i < len(y.Content); i += 2 {
			m[y.Content[i].Value] = value(t, y.Content[i+1])
		}
		return m
	}
	if y.Kind == yaml.SequenceNode {
		list := []any{}
		for _, c := range y.Content {
			list = append(list, value(t, c))
		}
		return list
	}
	if strings.HasPrefix(y.Tag, "!") && !strings.HasPrefix(y.Tag, "!!") {
		return y.Value
	}
	var v any
	if err := y.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// at returns what the path leads to, such as "Properties/Timeout", or nil.
func (n node) at(path string) any {
	var v any = n
	for _, name := range strings.Split(path, "/") {
		m, ok := v.(node)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (n node) in(t testing.TB, path string) node {
	t.Helper()
	m, ok := n.at(path).(node)
	if !ok {
		t.Fatalf("got %v at %s, want an object", n.at(path), path)
	}
	return m
}

// ofType returns the resources of a type by their names.
func (n node) ofType(t testing.TB, kind string) map[string]node {
	t.Helper()
	found := map[string]node{}
	for name, r := range n.in(t, "Resources") {
		if r.(node)["Type"] == kind {
			found[name] = r.(node)
		}
	}
	if len(found) == 0 {
		t.Fatalf("got no %s", kind)
	}
	return found
}

// list returns v as a list: templates let one stand for a list of one.
func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// functions are the folders by the names of their resources, scheduled those that run on a schedule.
var (
	functions = map[string]string{"IngestFunction": "ingest", "ProcessorFunction": "processor", "QueryFunction": "query"}
	scheduled = map[string]string{
		"ArchiverFunction": "infra/aws/archiver", "SealerFunction": "infra/aws/sealer", "ReconcilerFunction": "infra/aws/reconciler",
		"TrustFunction": "infra/aws/trust", "QuotaFunction": "infra/aws/quota",
	}
)

func allFunctions() map[string]string {
	all := maps.Clone(functions)
	maps.Copy(all, scheduled)
	return all
}
