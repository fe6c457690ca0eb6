//go:build npm

package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNPM runs fhir-kit-client against the server, in each mode, and has npm fhir validate every body that the server
// sends to it and in the cases. The build tag keeps it out of "make test", because it needs Node.js and installs
// packages; "make test-npm" runs it. They are installed beside a copy of the folder, so that none ends up in the checkout.
func TestNPM(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "client.test.mjs", "validate.mjs", "allowed.json"} {
		content, err := os.ReadFile(filepath.Join("npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := func(t *testing.T, env []string, name string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = dir
		command.Env = append(os.Environ(), env...)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		t.Logf("%s\n%s", name, out)
	}
	node(t, nil, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")

	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			folder := t.TempDir()
			s := stack{base: launch(t, mode.variables...).base, prefer: mode.prefer, bodies: newBodies()}
			t.Run("cases", s.cases)
			t.Run("client", func(t *testing.T) {
				node(t, []string{"FHIR_BASE_URL=" + s.base + "/fhir", "FHIR_PREFER=" + mode.prefer, "BODIES=" + folder}, "node", "--test", "client.test.mjs")
			})
			t.Run("validator", func(t *testing.T) {
				s.bodies.take(t, folder)
				s.bodies.validate(t, s)
				for i, body := range s.bodies.sorted() {
					if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("case-%04d.json", i)), body.content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				node(t, []string{"BODIES=" + folder}, "node", "validate.mjs")
			})
		})
	}
}

// take adds the bodies in folder.
func (b *bodies) take(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d bodies of the client, error %v; want some", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.add(filepath.Base(file), answer{body: content})
	}
}
