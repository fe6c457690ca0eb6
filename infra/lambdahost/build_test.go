package lambdahost_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// bootstraps builds the three functions when the first test asks for them and gives the folder they are in. TestMain
// sets it, since a testing.M hands nothing on to the tests it runs.
var bootstraps func() (dir string, err error)

// build builds the functions of the checkout at root as make lambda does, but for this machine.
func build(root, dir string) error {
	cmd := exec.Command("make", "-s", "-C", root, "lambda", "BIN="+dir, "LAMBDA_OS="+runtime.GOOS, "LAMBDA_ARCH="+runtime.GOARCH)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make lambda: %w\n%s", err, output)
	}
	return nil
}

// root is that of this checkout.
var root = filepath.Join("..", "..")

// bootstrapOf is the path of a function's bootstrap.
func bootstrapOf(t testing.TB, function string) string {
	t.Helper()
	dir, err := bootstraps()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, function, "bootstrap")
}

// maxBinaries are what the functions may have, in bytes: Lambda fetches them when it starts. They are for amd64, which has
// a twelfth more than arm64: there they have 19.7, 19.3 and 14.9 million, and twenty is what they may have.
var maxBinaries = map[string]int64{"ingest": 22_000_000, "processor": 22_000_000, "query": 16_500_000}

func TestSizes(t *testing.T) {
	for function, limit := range maxBinaries {
		info, err := os.Stat(bootstrapOf(t, function))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.1f MB", function, float64(info.Size())/1e6)
		if info.Size() > limit {
			t.Errorf("%s: got %d bytes, want %d at most", function, info.Size(), limit)
		}
	}
}

var cold = flag.Bool("cold", false, "TestReproducible builds from an empty cache, which takes minutes")

// TestReproducible: a copy of the checkout in another folder, without its history, builds the same bytes.
func TestReproducible(t *testing.T) {
	if *cold {
		t.Setenv("GOCACHE", t.TempDir())
	}
	elsewhere, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"Makefile", "go.mod", "go.sum", "ingest", "processor", "query", "shared", "schemas", "infra"} {
		if err := copyOf(filepath.Join(root, name), filepath.Join(elsewhere, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := build(elsewhere, dir); err != nil {
		t.Fatal(err)
	}
	for function := range maxBinaries {
		want, err := os.ReadFile(bootstrapOf(t, function))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, function, "bootstrap"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got another binary of the same code", function)
		}
	}
}

// copyOf copies a file or a folder.
func copyOf(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, below)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}
