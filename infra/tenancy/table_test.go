package tenancy

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// row is a line of the table: a request, whether it depends on the tenant rule of the store, and a cell for each
// column.
type row struct {
	line    int
	asked   string // as it is written
	guarded bool   // by the store: with neither layer of its tenant rule some cell must differ
	columns []string
	cells   []string
}

// table returns the rows of testdata/matrix.txt that begin with one of the methods. A line "columns" names those of
// the rows below it.
func table(t testing.TB, methods ...string) (rows []row) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "matrix.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Split(line, "|")
		if len(parts) != 3 {
			t.Fatalf("line %d: got %d parts, want request | guard | cells", i+1, len(parts))
		}
		r := row{i + 1, strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]) == "store", columns, strings.Fields(parts[2])}
		if r.asked == "columns" {
			columns = r.cells
			continue
		}
		if len(r.cells) != len(columns) {
			t.Fatalf("line %d: got %d cells, want one for each of %v", r.line, len(r.cells), columns)
		}
		if method, _, _ := strings.Cut(r.asked, " "); slices.Contains(methods, method) {
			rows = append(rows, r)
		}
	}
	return rows
}

// row is written as METHOD target [Header: value] [<body>].
var rowPattern = regexp.MustCompile(`^([A-Z]+) (\S+)(?: ([A-Za-z-]+): (.+?))?(?: <([a-z]+)>)?$`)

// request returns what r asks for.
func (r row) request(t testing.TB, w *world) request {
	t.Helper()
	m := rowPattern.FindStringSubmatch(r.asked)
	if m == nil {
		t.Fatalf("line %d: %s is not METHOD target [Header: value] [<body>]", r.line, r.asked)
	}
	q := request{m[1], w.fill(t, m[2]), [2]string{m[3], w.fill(t, m[4])}, ""}
	if m[5] == "" {
		return q
	}
	body, ok := bodies[m[5]]
	if !ok {
		t.Fatalf("line %d: there is no body %s", r.line, m[5])
	}
	if path, _, conditional := strings.Cut(q.target, "?"); q.method == "PUT" && !conditional {
		body = `{"id":"` + filepath.Base(path) + `",` + body[1:]
	}
	q.body = w.fill(t, body)
	return q
}

// TestTableHasEveryRoute: a route without a row fails here, and so does a row whose request no route serves, but for
// those that say that nothing does.
func TestTableHasEveryRoute(t *testing.T) {
	t.Parallel()
	w := &world{stack: newStack(t, options{url: "postgres://127.0.0.1:1/nowhere"}), values: map[string]string{}}
	for letter := range sends {
		for _, name := range []string{"", ".value", ".Patient", ".ServiceRequest", ".Task", ".DocumentReference", ".Binary"} {
			w.values[letter+name] = "x"
		}
	}
	w.values["absent"], w.values["invented"] = "x", "x"
	served := map[string]bool{}
	for _, r := range table(t, "GET", "POST", "PUT", "PATCH", "DELETE") {
		q := r.request(t, w)
		_, pattern := w.mux.Handler(httptest.NewRequest(q.method, q.target, nil))
		if pattern == "/" && slices.ContainsFunc(r.cells, func(cell string) bool { return cell != "404" }) {
			t.Errorf("line %d: nothing serves %s", r.line, r.asked)
		}
		served[pattern] = true
	}
	for _, route := range w.routes {
		if !served[route] {
			t.Errorf("%s has no row in testdata/matrix.txt", route)
		}
	}
}
