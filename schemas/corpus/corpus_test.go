package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCorpusIsUpToDate makes the corpus anew: the tables as they are now give what is committed, to the byte.
func TestCorpusIsUpToDate(t *testing.T) {
	made := filepath.Join(t.TempDir(), "invalid")
	if err := run("..", made, t.Output()); err != nil {
		t.Fatal(err)
	}
	got, want := contents(t, made), contents(t, filepath.Join("..", "..", "testdata", "invalid"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("testdata/invalid is not what the tables give; go run ./schemas/corpus makes it anew (-want +got):\n%.2000s", diff)
	}
}

// contents are the files of a folder by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}
