package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeysAreMadeOnce makes keys where an earlier start was cut off while it wrote them, and reads them again.
func TestKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "keys.json.new"), make([]byte, 1<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "keys.json")
	made, err := loadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := loadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, read); diff != "" || len(made.Kd) < 32 || len(made.Km) < 32 {
		t.Errorf("keys of %d and %d bytes (-made +read):\n%s", len(made.Kd), len(made.Km), diff)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, error %v; want 0600", info.Mode(), err)
	}
}
