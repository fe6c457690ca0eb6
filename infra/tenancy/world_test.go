package tenancy

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// sends are the things that the table names by a letter: a referral of A's addressed to B, one of A's that is addressed
// to nobody, and one of C's. Of two more of A's the Task has no owner, and is not left open either: the request is addressed to
// B, or the Task is of no group. They are made when they are first named.
var sends = map[string]struct {
	sender, performer string
	without           []string
}{
	"s": {"A", orgB, nil},
	"p": {"A", orgA, []string{performer, owner}},
	"c": {"C", orgA, []string{performer, owner}},
	"f": {"A", orgB, []string{owner}},
	"g": {"A", orgA, []string{performer, owner, group}},
}

// world has what the placeholders in requests stand for, such as {s.Patient}.
type world struct {
	*stack
	values map[string]string
	made   int
}

func newWorld(t testing.TB, s *stack) *world {
	t.Helper()
	w := &world{stack: s, values: map[string]string{"absent": "0198f0c5-7a00-7000-8000-000000000001"}}
	for _, letter := range []string{"c", "p", "s"} {
		w.make(t, letter)
	}
	// An id that nobody was given, of the form of those that were.
	genuine := w.values["s"]
	w.values["invented"] = strings.Map(func(r rune) rune {
		if r == 'a' {
			return 'b'
		}
		return r
	}, genuine)
	return w
}

var (
	created = regexp.MustCompile(`"location":"([A-Za-z]+)/([0-9a-f-]{36})/_history/1"`)
	named   = regexp.MustCompile(`\{([A-Za-z.]+)\}`)
)

// make sends the referral of letter anew, and has its placeholders stand for it. All that are made have one identifier
// in common and {letter.value} to themselves. What is in them can be told by "synthetic-" and their letter.
func (w *world) make(t testing.TB, letter string) {
	t.Helper()
	w.made++
	w.values[letter+".value"] = strconv.Itoa(1000 + w.made)
	body := strings.NewReplacer("-?\"", "-"+letter+"\"", "{value}", w.values[letter+".value"]).Replace(referralBundle)
	for _, element := range sends[letter].without {
		body = strings.Replace(body, strings.ReplaceAll(element, "{value}", w.values[letter+".value"]), "", 1)
	}
	body = strings.ReplaceAll(body, "8003620000000000", sends[letter].performer)
	sender := sends[letter].sender
	a := w.do(t.Context(), sender, request{http.MethodPost, "/fhir", [2]string{"Prefer", "respond-async"}, body})
	status, ok := strings.CutPrefix(a.Header().Get("Content-Location"), base)
	if !ok {
		t.Fatalf("make %s: %d %s", letter, a.Code, a.Body)
	}
	w.values[letter] = strings.TrimPrefix(status, "/fhir/_status/")
	a = w.do(t.Context(), sender, request{method: http.MethodGet, target: status})
	found := created.FindAllStringSubmatch(a.Body.String(), -1)
	if len(found) != strings.Count(referralBundle, "fullUrl") {
		t.Fatalf("make %s: %d %s", letter, a.Code, a.Body)
	}
	for _, f := range found {
		w.values[letter+"."+f[1]] = f[2]
	}
}

// fill returns text with its placeholders filled in.
func (w *world) fill(t testing.TB, text string) string {
	t.Helper()
	return named.ReplaceAllStringFunc(text, func(name string) string {
		letter, _, _ := strings.Cut(strings.Trim(name, "{}"), ".")
		if _, made := w.values[letter]; !made && sends[letter].sender != "" {
			w.make(t, letter)
		}
		value, ok := w.values[strings.Trim(name, "{}")]
		if !ok {
			t.Fatalf("nothing is known of %s", name)
		}
		return value
	})
}

// seen returns the letters of the things that text has something of.
func seen(text string) string {
	var letters string
	for _, letter := range []string{"s", "p", "c", "f", "g"} {
		if strings.Contains(text, "synthetic-"+letter) {
			letters += letter
		}
	}
	return letters
}

// bodies are what requests of the table send. None has anything by which something that was made could be told.
var bodies = map[string]string{
	"transaction": `{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","active":true},"request":{"method":"POST","url":"Patient"}}]}`,
	"document": `{"resourceType":"Bundle","type":"collection","entry":[
		{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000009","resource":{"resourceType":"Patient","active":true}}]}`,
	"message": `{"resourceType":"Bundle","type":"message","identifier":{"system":"https://example.org/tenancy","value":"message"},
		"timestamp":"2026-11-22T09:00:00Z","entry":[
		{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000009","resource":{"resourceType":"MessageHeader",
			"eventUri":"https://example.org/tenancy","source":{"endpoint":"https://example.org/tenancy"}}}]}`,
	"patient": `{"resourceType":"Patient","active":true}`,
	"task":    `{"resourceType":"Task","status":"draft","intent":"order"}`,
	"patch":   `[{"op":"add","path":"/language","value":"en-AU"}]`,
	"takeb":   `[{"op":"add","path":"/owner","value":{"identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"` + orgB + `"}}}]`,
	"takec":   `[{"op":"add","path":"/owner","value":{"identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"` + orgC + `"}}}]`,
	"group":   `group-identifier=https://example.org/tenancy%7C{p.value}`,
	"meet":    `{"resourceType":"Patient","identifier":[{"system":"https://example.org/tenancy","value":"meet"}]}`,
	"refers":  `{"resourceType":"Basic","code":{"text":"refers"},"subject":{"reference":"Patient/{id}"}}`,
	"identified": `{"resourceType":"Bundle","type":"collection","identifier":{"system":"https://example.org/tenancy","value":"meet"},"entry":[
		{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000009","resource":{"resourceType":"Patient","active":true}}]}`,
	"batch": `{"resourceType":"Bundle","type":"batch","entry":[
		{"request":{"method":"GET","url":"Patient/{id}"}},
		{"request":{"method":"GET","url":"Patient?identifier=https://example.org/tenancy%7C{value}"}},
		{"request":{"method":"DELETE","url":"Patient/{id}"}},
		{"resource":{"resourceType":"Patient","id":"{id}","active":true},"request":{"method":"PUT","url":"Patient/{id}"}}]}`,
	"shares": `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"POST","url":"ServiceRequest"},
		"resource":{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"text":"shares"},"subject":{"reference":"Patient/{p.Patient}"},
			"performer":[{"type":"Organization","identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"` + orgB + `"}}]}}]}`,
	"parameters": `{"resourceType":"Parameters"}`,
	"form":       `identifier=https://example.org/tenancy%7Cshared&_count=100`,
}

// What some of the things are made without.
const (
	performer = `"performer":[{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000002"}],`
	owner     = `"owner":{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000002"},`
	group     = `"groupIdentifier":{"system":"https://example.org/tenancy","value":"{value}"},`
)

// referralBundle is what is made: synthetic-? stands where its letter is told.
const referralBundle = `{"resourceType":"Bundle","type":"transaction","entry":[
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000001","request":{"method":"POST","url":"Patient"},"resource":
	{"resourceType":"Patient","identifier":[{"system":"https://example.org/tenancy","value":"shared"},{"system":"https://example.org/tenancy","value":"{value}"}],
	"name":[{"family":"synthetic-?"}],"gender":"unknown","birthDate":"1970-01-01"}},
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000002","request":{"method":"POST","url":"Organization"},"resource":
	{"resourceType":"Organization","identifier":[{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"8003620000000000"}],"name":"synthetic-?"}},
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000003","request":{"method":"POST","url":"ServiceRequest"},"resource":
	{"resourceType":"ServiceRequest","identifier":[{"system":"https://example.org/tenancy","value":"{value}"}],"status":"active","intent":"order",
	"code":{"text":"synthetic-?"},"subject":{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000001"},
	` + performer + `
	"supportingInfo":[{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000005"}]}},
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000004","request":{"method":"POST","url":"Task"},"resource":
	{"resourceType":"Task","identifier":[{"system":"https://example.org/tenancy","value":"{value}"}],"status":"requested","intent":"order",
	` + group + `"description":"synthetic-?","focus":{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000003"},
	` + owner + `
	"for":{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000001"}}},
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000005","request":{"method":"POST","url":"DocumentReference"},"resource":
	{"resourceType":"DocumentReference","status":"current","description":"synthetic-?","subject":{"reference":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000001"},
	"content":[{"attachment":{"contentType":"text/plain","url":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000006"}}]}},
{"fullUrl":"urn:uuid:0f1de3a6-7b58-4c6a-9d1e-000000000006","request":{"method":"POST","url":"Binary"},"resource":
	{"resourceType":"Binary","meta":{"tag":[{"system":"https://example.org/tenancy","code":"synthetic-?"}]},"contentType":"text/plain","data":"U3ludGhldGlj"}}
]}`
