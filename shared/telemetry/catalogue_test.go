package telemetry_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// readme returns the section of README.md under a heading.
func readme(t testing.TB, heading string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// rows returns the cells of each row of a section's table, without its head.
func rows(t testing.TB, heading string) (all [][]string) {
	t.Helper()
	for line := range strings.Lines(readme(t, heading)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, cells)
	}
	if len(all) == 0 {
		t.Fatalf("README.md: no table in %s", heading)
	}
	return all
}

// TestCatalogue: README.md has each metric with its names, its label and the label's values.
func TestCatalogue(t *testing.T) {
	var want [][]string
	for _, m := range telemetry.Catalogue() {
		by := ""
		if m.Label != "" {
			by = "`" + m.Label + "`: " + strings.Join(m.Values, ", ")
		}
		want = append(want, []string{"`" + m.Name + "`", strings.Join(m.Services, ", "), "`" + m.Prometheus + "`", by, strings.TrimSuffix(m.Help, ".")})
	}
	if diff := cmp.Diff(want, rows(t, "Metrics")); diff != "" {
		t.Errorf("metrics (-code +README.md):\n%s", diff)
	}
}
