// Package envtest helps tests of settings: it makes some, and compares the variables that a main reads with the table of
// README.md in which its users find them.
package envtest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// Settings returns settings of which values are set, by their variables, and no others.
func Settings(values map[string]string) *env.Settings {
	return env.Read(func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}

var (
	names  = regexp.MustCompile("`([A-Z][A-Z_]+)`")
	rows   = regexp.MustCompile("(?m)^\\| `[A-Z].*$")
	spaces = regexp.MustCompile(`\s*\|\s*`)
)

// CheckReadme fails t unless what read reads is what the table under heading in the file readme lists, no more and no
// less. Where reader is not empty, the table's second column says who reads a variable, and only the rows of reader
// and of "all" count. read is given settings of which none is set.
func CheckReadme(t testing.TB, readme, heading, reader string, read func(*env.Settings)) {
	t.Helper()
	var got []string
	read(env.Read(func(name string) (string, bool) { got = append(got, name); return "", false }))
	content, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(content), "\n"+heading+"\n")
	table, _, _ = strings.Cut(table, "\n#")
	var want []string
	for _, row := range rows.FindAllString(table, -1) {
		columns := spaces.Split(row, -1)
		if readers := columns[2]; reader != "" && readers != "all" && !slices.Contains(strings.Split(readers, ", "), reader) {
			continue
		}
		for _, name := range names.FindAllStringSubmatch(columns[1], -1) {
			want = append(want, name[1])
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("settings (-README +read):\n%s", diff)
	}
}
