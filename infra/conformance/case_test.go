package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scenario is a file of testdata/transactions.
type scenario struct {
	name     string // of the file, without .txtar
	sentence string
	steps    []step
}

// step is a request and the answer it must get, with placeholders.
type step struct {
	method, target string
	header         [][2]string
	body           string

	status       string
	answerHeader [][2]string
	answerBody   string // empty: not looked at
}

// empty is written for an answer without a body.
const empty = "(empty)"

func scenarios(t testing.TB) []scenario {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "transactions", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d cases, error %v; want some", len(files), err)
	}
	all := make([]scenario, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if all[i], err = parse(string(text)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[i].name = strings.TrimSuffix(filepath.Base(file), ".txtar")
	}
	return all
}

func parse(text string) (s scenario, err error) {
	sections := strings.Split(text, "-- request --\n")
	s.sentence = strings.TrimSpace(sections[0])
	if section, _, found := strings.Cut(s.sentence, ": "); !found || !strings.Contains(section, ".html#") {
		return s, errors.New("want a section such as http.html#create, a colon and what it says")
	}
	for _, section := range sections[1:] {
		request, answer, found := strings.Cut(section, "-- response --\n")
		if !found {
			return s, errors.New("a request without a response")
		}
		var st step
		var first string
		if first, st.header, st.body, err = message(request); err != nil {
			return s, err
		}
		if st.method, st.target, found = strings.Cut(first, " "); !found {
			return s, fmt.Errorf("request line %q: want a method and a target", first)
		}
		if st.status, st.answerHeader, st.answerBody, err = message(answer); err != nil {
			return s, err
		}
		s.steps = append(s.steps, st)
	}
	if len(s.steps) == 0 {
		return s, errors.New("no steps")
	}
	return s, nil
}

// message cuts text into its first line, header and body.
func message(text string) (first string, header [][2]string, body string, err error) {
	head, body, _ := strings.Cut(text, "\n\n")
	first, rest, _ := strings.Cut(strings.TrimRight(head, "\n"), "\n")
	for line := range strings.Lines(rest) {
		name, value, found := strings.Cut(strings.TrimRight(line, "\n"), ":")
		if !found {
			return "", nil, "", fmt.Errorf("header line %q: want a name and a value", line)
		}
		header = append(header, [2]string{http.CanonicalHeaderKey(name), strings.TrimSpace(value)})
	}
	return first, header, strings.TrimRight(body, "\n"), nil
}

// TestParse: a case is not read as less than was written.
func TestParse(t *testing.T) {
	const whole = "http.html#create: It says so.\n-- request --\nPOST /fhir\nA: b\n\nbody\n-- response --\n200\nC:\n\n(empty)\n"
	s, err := parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.steps[0]; got.method != "POST" || got.target != "/fhir" || got.header[0] != [2]string{"A", "b"} || got.body != "body" ||
		got.status != "200" || got.answerHeader[0] != [2]string{"C", ""} || got.answerBody != empty {
		t.Errorf("got %+v", got)
	}
	for name, text := range map[string]string{
		"no sentence":       strings.TrimPrefix(whole, "http.html#create: It says so.\n"),
		"no section":        strings.Replace(whole, "http.html#create: ", "", 1),
		"no response":       strings.Replace(whole, "-- response --", "--", 1),
		"no steps":          "http.html#create: It says so.\n",
		"no target":         strings.Replace(whole, "POST /fhir", "POST", 1),
		"header without a:": strings.Replace(whole, "C:", "C", 1),
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
