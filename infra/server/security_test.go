package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityNamesTests: what SECURITY.md says is shown by a test that is there, and every item of the lists has its row.
func TestSecurityNamesTests(t *testing.T) {
	var rows []string
	for i := range 17 {
		rows = append(rows, fmt.Sprintf("API%d", min(i+1, 10)), fmt.Sprintf("V%d", i+1))
	}
	checkNamesTests(t, "SECURITY.md", rows)
}

// TestEvidenceNamesTests: every promise and every fault in EVIDENCE.md has its row, with tests that are there or why it has
// none.
func TestEvidenceNamesTests(t *testing.T) {
	rows := []string{"G19", "G20", "G21"}
	for i := range 15 {
		rows = append(rows, fmt.Sprintf("G%d", i+1))
	}
	for i := range 72 {
		rows = append(rows, fmt.Sprintf("F%02d", i+1))
	}
	checkNamesTests(t, "EVIDENCE.md", rows)
}

// checkNamesTests: the tests that file names are there, and each of rows is in one of its tables, with tests or "none: " and
// the reason.
func checkNamesTests(t *testing.T, file string, rows []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, name := range regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1) {
		folder, test := name[1], name[2]
		if !known[folder] {
			readTests(t, folder, known)
		}
		if !known[folder+"."+test] {
			t.Errorf("%s names %s, which %s does not have", file, test, folder)
		}
	}
	for _, row := range rows {
		_, cells, found := strings.Cut(string(text), "\n| "+row+" ")
		if cells, _, _ = strings.Cut(cells, "\n"); !found || !strings.Contains(cells, "| `") && !strings.Contains(cells, "| none: ") {
			t.Errorf("%s lacks the row %s or its tests", file, row)
		}
	}
}

var testFunctions = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// readTests makes known the folder and its tests, as folder.Test.
func readTests(t *testing.T, folder string, known map[string]bool) {
	t.Helper()
	known[folder] = true
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range testFunctions.FindAllSubmatch(text, -1) {
			known[folder+"."+string(test[1])] = true
		}
	}
}
