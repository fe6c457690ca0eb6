package tenancy

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMatrix sends the request of every row as every caller, with both layers of the tenant rule and with either of
// them. With neither of them exactly the rows that the store guards must go wrong.
func TestMatrix(t *testing.T) {
	rows := table(t, "GET", "POST", "PUT", "PATCH", "DELETE")
	for _, layer := range layers {
		t.Run(layer.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newStack(t, store(t, layer.filter, layer.rules)))
			for _, r := range rows {
				got, want := w.cells(t, r), r.want(layer.rules && !layer.filter)
				switch wrong := !slices.Equal(got, want); {
				case layer.filter || layer.rules:
					if wrong {
						t.Errorf("line %d: %s\n\t%v\n got %v\nwant %v", r.line, r.asked, r.columns, got, want)
					}
				case wrong != r.guarded:
					t.Errorf("line %d: %s: without both layers it goes wrong: %v; guarded by the store: %v\n got %v\nwant %v",
						r.line, r.asked, wrong, r.guarded, got, want)
				}
			}
		})
	}
}

// want returns the cells of r, those by row-level security alone where that is asked for.
func (r row) want(alone bool) []string {
	var want []string
	for _, cell := range r.cells {
		together, byRules, differs := strings.Cut(cell, "/")
		if alone && differs {
			together = byRules
		}
		want = append(want, together)
	}
	return want
}

var mentioned = regexp.MustCompile(`\{([spcfg])(?:\.([A-Z][A-Za-z]+|value))?\}`)

// cells sends the request of r as each caller and returns what came of it: the status, the letters of the things that
// could be seen, and "!" where what the row names has changed, which is then made anew.
func (w *world) cells(t *testing.T, r row) (cells []string) {
	t.Helper()
	for _, name := range r.columns {
		q := r.request(t, w)
		a := w.do(t.Context(), name, q)
		cell := strconv.Itoa(a.Code) + seen(a.Body.String())
		for _, m := range mentioned.FindAllStringSubmatch(r.asked, -1) {
			if q.method != http.MethodGet && w.changed(t, m[1], m[2]) {
				cell += "!"
				w.make(t, m[1])
			}
		}
		cells = append(cells, cell)
	}
	return cells
}

// changed tells whether a resource of letter is not what its sender sent any more; of those that are found by their
// value it is the Patient.
func (w *world) changed(t *testing.T, letter, resourceType string) bool {
	t.Helper()
	switch resourceType {
	case "": // the submission
		return false
	case "value":
		resourceType = "Patient"
	}
	target := "/fhir/" + resourceType + "/" + w.values[letter+"."+resourceType]
	a := w.do(t.Context(), sends[letter].sender, request{method: http.MethodGet, target: target})
	return a.Code != http.StatusOK || a.Header().Get("ETag") != `W/"1"`
}
