package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// TestSettingsAreInTheReadme compares the variables that the server reads with the table in README.md.
func TestSettingsAreInTheReadme(t *testing.T) {
	var read []string
	readSettings(env.Read(func(name string) (string, bool) { read = append(read, name); return "", false }))
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Settings")
	table, _, _ = strings.Cut(table, "\n#")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `[A-Z].*$").FindAllString(table, -1) {
		name := regexp.MustCompile("^\\|(?: ?,? ?`[A-Z_]+`)+").FindString(row)
		listed = append(listed, regexp.MustCompile("[A-Z_]+").FindAllString(name, -1)...)
	}
	slices.Sort(read)
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Compact(read), listed); diff != "" {
		t.Errorf("settings (-read +README):\n%s", diff)
	}
}
