package submit_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/submit"
)

func TestInputs(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a/2.json": "{ }\n", "a/1.json": "not JSON", "a/notes.txt": "{}", "a/b/many.ndjson": "{\"n\":1}\n\n{\"n\":2}", "single.txt": "{}",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := submit.Open([]string{filepath.Join(dir, "a"), filepath.Join(dir, "single.txt"), "-"}, strings.NewReader("{\n \"n\": 3\n}"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for d, err := range in.All() {
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, d.Path)
		if err != nil || d.Path[0] == '-' {
			name = d.Path
		}
		got = append(got, name+" "+string(d.Body))
	}
	want := []string{
		"a/1.json not JSON", "a/2.json { }\n", `a/b/many.ndjson:1 {"n":1}`, `a/b/many.ndjson:2 {"n":2}`, "single.txt {}", "-:1 {\n \"n\": 3\n}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if in.Total() != 0 {
		t.Errorf("got a total of %d, want none: standard input may hold any number", in.Total())
	}
	in, err = submit.Open([]string{filepath.Join(dir, "a", "1.json"), filepath.Join(dir, "single.txt")}, nil)
	if err != nil || in.Total() != 2 {
		t.Errorf("got a total of %d, %v, want 2", in.Total(), err)
	}
}

func TestInputsThatAreMissing(t *testing.T) {
	dir := t.TempDir()
	if _, err := submit.Open([]string{filepath.Join(dir, "absent.json")}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: got %v", err)
	}
	if _, err := submit.Open([]string{dir}, nil); err == nil || !strings.Contains(err.Error(), ".ndjson") {
		t.Errorf("empty directory: got %v", err)
	}
	in, err := submit.Open([]string{"-"}, strings.NewReader(`{"n":1} secret`))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err = range in.All() {
		n++
	}
	if n != 2 || err == nil || !strings.HasPrefix(err.Error(), "-:2 ") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %d documents and %v, want one and an error about -:2 that quotes nothing", n, err)
	}
}

// TestOtherFileIsNoState: a file that was named by mistake stays as it is.
func TestOtherFileIsNoState(t *testing.T) {
	for _, content := range []string{"{\"resourceType\":\"Bundle\"}\n{}\n", `{"resourceType":"Bundle"}`, "x", "{}\n{"} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := submit.OpenState(path); err == nil || !strings.Contains(err.Error(), "--state") {
			t.Errorf("%q: got %v, want advice to name another file", content, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q: the file is %q now, %v", content, got, err)
		}
	}
}
