package schemas

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write ../shared/fhir/names.txt anew from the schemas")

// TestNames holds the names that the gate may repeat against those that the schemas know: no more and no fewer.
func TestNames(t *testing.T) {
	v := New(Config{})
	names := map[string]bool{}
	add := func(n *node) {
		for name := range n.load().members {
			names[strings.TrimPrefix(name, "_")] = true
		}
	}
	for _, f := range v.files {
		f.load()
		if f.root != nil {
			names[f.root.name] = true
			add(f.root)
		}
		for _, n := range f.definitions {
			add(n)
		}
	}
	want := strings.Join(slices.Sorted(maps.Keys(names)), "\n") + "\n"
	file := filepath.Join("..", "shared", "fhir", "names.txt")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("names.txt, which go test ./schemas -run TestNames -update writes (-want +got):\n%s", diff)
	}
}
