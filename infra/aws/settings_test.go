package aws_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read returns a file of the repository, by its path from here.
func read(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var setting = regexp.MustCompile("`?((?:REFERRAL_[A-Z_]+)|DATABASE_URL)`?")

// TestSettings: what the template sets, the README's table of functions has and the code reads; and what that table has
// and the template does not set, README.md of this folder says why.
func TestSettings(t *testing.T) {
	readme := read(t, "..", "..", "README.md")
	_, table, found := strings.Cut(readme, "### On Lambda")
	table, _, ended := strings.Cut(table, "### Client registry")
	if !found || !ended {
		t.Fatal("README.md has no table of the functions' settings")
	}
	documented := map[string][]string{} // functions by setting
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		who := []string{"ingest", "processor", "query"}
		if strings.TrimSpace(cells[2]) != "all" {
			who = strings.Split(strings.ReplaceAll(strings.TrimSpace(cells[2]), " ", ""), ",")
		}
		for _, m := range setting.FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = who
		}
	}
	all := strings.Builder{}
	for _, text := range code(t) {
		all.WriteString(text)
	}
	_, unset, found := strings.Cut(read(t, "README.md"), "## What the template leaves alone")
	unset, _, _ = strings.Cut(unset, "\n## ")
	if !found {
		t.Fatal("README.md does not say what the template leaves alone")
	}
	set := map[string]bool{}
	for name := range template(t).in(t, "Globals/Function/Environment/Variables") {
		set[name] = true
	}
	for resource, function := range functions {
		for name := range template(t).in(t, "Resources/"+resource+"/Properties/Environment/Variables") {
			set[name] = true
			if name == "PGSSLROOTCERT" { // PostgreSQL's own
				continue
			}
			if !slices.Contains(documented[name], function) {
				t.Errorf("%s: the template sets %s, which README.md says is read by %v", function, name, documented[name])
			}
		}
	}
	for name := range documented {
		if !strings.Contains(all.String(), `"`+name+`"`) {
			t.Errorf("README.md has %s, which the code does not read", name)
		}
		if !set[name] && !strings.Contains(unset, "`"+name+"`") {
			t.Errorf("the template does not set %s, and README.md does not say why", name)
		}
	}
	for _, m := range setting.FindAllStringSubmatch(unset, -1) {
		if set[m[1]] || documented[m[1]] == nil {
			t.Errorf("README.md says that the template leaves %s alone: it sets it, or no function reads it", m[1])
		}
	}
}

// TestScheduledSettings: README.md's table of what runs on a schedule has the settings of each that are not those of all.
func TestScheduledSettings(t *testing.T) {
	readme := read(t, "README.md")
	for resource, folder := range scheduled {
		row := regexp.MustCompile(`(?m)^\| ` + filepath.Base(folder) + ` \|.*$`).FindString(readme)
		for name := range template(t).in(t, "Resources/"+resource+"/Properties/Environment/Variables") {
			if name != "PGSSLROOTCERT" && name != "REFERRAL_STORE_CONNECTIONS" && !strings.Contains(row, "`"+name+"`") {
				t.Errorf("%s: the table has no %s", folder, name)
			}
		}
	}
}
