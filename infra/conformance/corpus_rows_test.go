package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp/httpcase"
)

const testdata = "../../testdata"

// row is a row of the corpus of bad input: what is sent and what it must come to, or what shows the same elsewhere, or
// why there is nothing to show.
type row struct {
	id, title string
	cases     []hostile
	tests     []string // as folder.TestName
	none      string   // why there is neither case nor test
}

// hostile is a request of the corpus, and the answer it must get. testdata/README.md says how it is written down.
type hostile struct {
	name       string // of the row and its number in it
	status     int
	code       string // of the first issue; empty: the answer is no failure
	expression string // how that of the first issue begins; empty: anything
	request    httpcase.Case
	short      bool // the header promises more than the body has
	only       bool // for functions in the process: an event of Lambda cannot say it
}

// defaults are the headers of a request that does not name them; named without a value they are absent.
var defaults = map[string]string{"X-Api-Key": "dev-sender", "Content-Type": "application/fhir+json"}

// corpusRows is how many rows each part of the corpus has.
var corpusRows = map[string]int{"A": 20, "B": 38, "C": 40, "D": 30}

// corpus reads testdata/corpus.
func corpus(t testing.TB) (rows []row) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(testdata, "corpus", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, error %v; want some", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := reader{t: t}
		for i, line := range strings.Split(string(text), "\n") {
			if err := r.line(line); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
		}
		rows = append(rows, r.rows...)
	}
	for i := range rows {
		for j := range rows[i].cases {
			rows[i].cases[j].name = rows[i].id + "/" + strconv.Itoa(j+1)
			rows[i].cases[j].short = contentLength(rows[i].cases[j].request) > len(rows[i].cases[j].request.Body)
		}
	}
	return rows
}

func contentLength(c httpcase.Case) int {
	n, _ := strconv.Atoi(c.Header.Get("Content-Length"))
	return n
}

// reader reads a file of the corpus, line by line.
type reader struct {
	t    testing.TB
	rows []row
}

var (
	rowLine     = regexp.MustCompile(`^([A-D][0-9]{2}) (.+)$`)
	requestLine = regexp.MustCompile(`^([A-Z]+) (\S+)$`)
	headerLine  = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*):(?: (.*))?$`)
	manyLine    = regexp.MustCompile(`^(headers|header|members|alternatives) ([0-9]+)$`)
)

func (r *reader) line(line string) error {
	text, isCase := strings.CutPrefix(line, "    ")
	switch {
	case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		return nil
	case isCase:
		return r.caseLine(text)
	case strings.HasPrefix(line, "  "):
		return r.wantLine(strings.TrimSpace(line))
	}
	m := rowLine.FindStringSubmatch(line)
	if m == nil {
		return errors.New("want a row: its id and what it is about")
	}
	r.rows = append(r.rows, row{id: m[1], title: m[2]})
	return nil
}

// wantLine begins a case, or says what stands for one.
func (r *reader) wantLine(line string) error {
	if len(r.rows) == 0 {
		return errors.New("no row before")
	}
	last := &r.rows[len(r.rows)-1]
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "test":
		last.tests = append(last.tests, rest)
		return nil
	case "none:":
		last.none = rest
		return nil
	case "only:":
		last.cases[len(last.cases)-1].only = true
		return nil
	case "differs:": // from RELIABILITY §4, and why: for people
		return nil
	}
	status, err := strconv.Atoi(kind)
	if err != nil {
		return errors.New("want a status, test, none:, only: or differs:")
	}
	h := hostile{status: status, request: httpcase.Case{
		Method: http.MethodPost, Target: "/fhir", Header: http.Header{},
	}}
	for name, value := range defaults {
		h.request.Header.Set(name, value)
	}
	h.code, h.expression, _ = strings.Cut(rest, " ")
	if (h.code == "") != (status < http.StatusBadRequest) {
		return errors.New("want a code for a failure, and for nothing else")
	}
	last.cases = append(last.cases, h)
	return nil
}

func (r *reader) caseLine(line string) error {
	if len(r.rows) == 0 || len(r.rows[len(r.rows)-1].cases) == 0 {
		return errors.New("no case before")
	}
	cases := r.rows[len(r.rows)-1].cases
	c := &cases[len(cases)-1].request
	if name, ok := strings.CutPrefix(line, "golden "); ok {
		*c = httpcase.Load(r.t, testdata, name)[0]
		return nil
	}
	if m := requestLine.FindStringSubmatch(line); m != nil {
		c.Method, c.Target = m[1], m[2]
		return nil
	}
	if m := headerLine.FindStringSubmatch(line); m != nil {
		value, err := strconv.Unquote(m[2]) // what cannot stand in a line
		if err != nil {
			value = m[2]
		}
		if c.Header.Get(m[1]) == defaults[http.CanonicalHeaderKey(m[1])] {
			c.Header.Del(m[1])
		}
		if value != "" {
			c.Header.Add(m[1], value)
		}
		return nil
	}
	if m := manyLine.FindStringSubmatch(line); m != nil {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return err
		}
		many(c, m[1], n)
		return nil
	}
	return c.Edit(line, testdata)
}

// many adds n of what nobody would write down.
func many(c *httpcase.Case, what string, n int) {
	switch what {
	case "headers":
		for i := range n {
			c.Header.Set(fmt.Sprintf("X-Fill-%d", i), "a")
		}
	case "header":
		c.Header.Set("X-Fill", strings.Repeat("a", n))
	case "members":
		for i := range n {
			c.Body = fmt.Appendf(c.Body, `,"m%d":1`, i)
		}
	case "alternatives":
		c.Target += strings.Repeat(",a", n)
	}
}

// TestCorpusIsComplete: every row of RELIABILITY §4 is there once, in order, and has something to show or says why not; and the
// tests that are named are there.
func TestCorpusIsComplete(t *testing.T) {
	var want, got []string
	for part, n := range corpusRows {
		for i := range n {
			want = append(want, fmt.Sprintf("%s%02d", part, i+1))
		}
	}
	slices.Sort(want)
	for _, r := range corpus(t) {
		got = append(got, r.id)
		if len(r.cases)+len(r.tests) == 0 && r.none == "" {
			t.Errorf("%s has neither case nor test nor a reason", r.id)
		}
		for _, test := range r.tests {
			if !hasTest(t, test) {
				t.Errorf("%s names %s, which is not there", r.id, test)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got the rows %v, want each of %v once", got, want)
	}
}

// hasTest tells whether a test called folder.TestName is there.
func hasTest(t testing.TB, name string) bool {
	t.Helper()
	folder, test, _ := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}
