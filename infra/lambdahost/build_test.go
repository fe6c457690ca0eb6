package lambdahost_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bootstraps builds the three functions when the first test asks for them and gives the folder they are in. TestMain
// sets it, since a testing.M hands nothing on to the tests it runs.
var bootstraps func() (dir string, err error)

// build builds the functions as make lambda does, but for this machine.
func build(dir string) error {
	for _, function := range []string{"ingest", "processor", "query"} {
		cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w",
			"-o", filepath.Join(dir, function, "bootstrap"), "./"+function+"/lambda")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", function, err, output)
		}
	}
	return nil
}

// bootstrapOf is the path of a function's bootstrap.
func bootstrapOf(t testing.TB, function string) string {
	t.Helper()
	dir, err := bootstraps()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, function, "bootstrap")
}
