package httpcase

import (
	"net/http"
	"strings"
	"testing"
)

const testCase = `What it shows.
-- request --
POST /fhir?a=b
X-Api-Key: dev-sender
Idempotency-Key:

first
-- edit --
EDIT
-- response --
202 Accepted
`

func TestParse(t *testing.T) {
	for _, test := range []struct{ edit, body, content string }{
		{"", "first", "first"},
		{"append \" \\u00e9\"\nappend `\"`", `first é"`, `first é"`},
		{`replace "fir" "la"`, "last", "last"},
		{`repeat "ab" 2`, "firstabab", "firstabab"},
		{`pad 8`, "first   ", "first   "},
		{"gzip\ncut 100", "", "first"},
		{"cut 2", "fir", "fir"},
	} {
		c, err := parse(strings.Replace(testCase, "EDIT\n", test.edit+"\n", 1), "testdata")
		if test.edit == "" {
			c, err = parse(strings.Replace(testCase, "-- edit --\nEDIT\n", "", 1), "testdata")
		}
		if err != nil {
			t.Errorf("edit %q: %v", test.edit, err)
			continue
		}
		if string(c.Body) != test.body || string(c.Content) != test.content {
			t.Errorf("edit %q: got body %q, content %q; want %q, %q", test.edit, c.Body, c.Content, test.body, test.content)
		}
		if c.Method != http.MethodPost || c.Target != "/fhir?a=b" || c.Header.Get("X-Api-Key") != "dev-sender" || len(c.Header["Idempotency-Key"]) != 1 {
			t.Errorf("got %s %s %v", c.Method, c.Target, c.Header)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"unknown edit":       strings.Replace(testCase, "EDIT", "turn 1", 1),
		"too few arguments":  strings.Replace(testCase, "EDIT", "replace `a`", 1),
		"not once":           strings.Replace(testCase, "EDIT", "replace `x` `y`", 1),
		"not a number":       strings.Replace(testCase, "EDIT", "pad x", 1),
		"absent file":        strings.Replace(testCase, "EDIT", "file none.json", 1),
		"no response":        "-- request --\nGET /\n",
		"no request":         "-- response --\n200 OK\n",
		"no target":          "-- request --\nGET\n-- response --\n",
		"header without a :": "-- request --\nGET /\nAccept\n-- response --\n",
	} {
		if _, err := parse(text, "testdata"); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
