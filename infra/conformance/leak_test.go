package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// form is a way in which a text may stand in an output.
type form struct {
	name   string
	encode func(string) string
}

// forms are all that are searched for. Case does not matter, except in base64.
var forms = []form{
	{"raw", func(s string) string { return s }},
	{"JSON escapes", func(s string) string { return each(s, "u%04x", "") }}, // however many backslashes
	{"URL escapes", func(s string) string { return each(s, "%%%02x", "") }},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"bytes as numbers", func(s string) string { return each(s, "%d", " ") }},
	{"bytes as a JSON array", func(s string) string { return each(s, "%d", ",") }},
	{"base64 at 0", func(s string) string { return inBase64(s, 0) }},
	{"base64 at 1", func(s string) string { return inBase64(s, 1) }},
	{"base64 at 2", func(s string) string { return inBase64(s, 2) }},
}

func each(s, format, separator string) string {
	var parts []string
	for i := range len(s) {
		parts = append(parts, fmt.Sprintf(format, s[i]))
	}
	return strings.Join(parts, separator)
}

// inBase64 is what is always the same in the base64 of a text in which s stands behind as many bytes as offset, or three
// or six more.
func inBase64(s string, offset int) string {
	encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("?", offset) + s))
	first := []int{0, 2, 3}[offset]
	last := len(encoded)
	if (offset+len(s))%3 != 0 {
		last-- // half of its bits are of what follows
	}
	return encoded[first:last]
}

// leaks returns in which forms the canaries stand in an output.
func leaks(output []byte, canaries ...string) (found []string) {
	lower := bytes.ReplaceAll(bytes.ToLower(output), []byte(`\`), nil) // which escapes double
	for _, canary := range canaries {
		for _, f := range forms {
			needle, haystack := f.encode(canary), output
			if !strings.HasPrefix(f.name, "base64") {
				needle, haystack = strings.ToLower(needle), lower
			}
			if bytes.Contains(haystack, []byte(needle)) {
				found = append(found, canary+" as "+f.name)
			}
		}
	}
	return found
}

// checkLeaks holds that no canary is in an output.
func checkLeaks(t testing.TB, where string, output []byte, canaries ...string) {
	t.Helper()
	if len(output) == 0 {
		t.Errorf("%s: nothing was said, so that nothing is shown", where)
	}
	for _, leak := range leaks(output, canaries...) {
		t.Errorf("%s has %s", where, leak)
	}
}

// TestLeaksAreFound: whatever a mistaken log line makes of a body, wherever the canary stands in it, the search that finds
// nothing in this server's outputs finds it.
func TestLeaksAreFound(t *testing.T) {
	const canary = "zqxFamily4k1"
	for name, line := range map[string]func(*slog.Logger, []byte){
		"string":         func(l *slog.Logger, b []byte) { l.Info("x", "body", string(b)) },
		"bytes":          func(l *slog.Logger, b []byte) { l.Info("x", "body", b) },
		"JSON":           func(l *slog.Logger, b []byte) { l.Info("x", "body", json.RawMessage(b)) },
		"quoted":         func(l *slog.Logger, b []byte) { l.Info(fmt.Sprintf("%q", b)) },
		"quoted twice":   func(l *slog.Logger, b []byte) { l.Info(fmt.Sprintf("%q", fmt.Sprintf("%q", b))) },
		"%v":             func(l *slog.Logger, b []byte) { l.Info(fmt.Sprintf("%v", b)) },
		"%x":             func(l *slog.Logger, b []byte) { l.Info(fmt.Sprintf("%x", b)) },
		"%X":             func(l *slog.Logger, b []byte) { l.Info(fmt.Sprintf("%X", b)) },
		"upper case":     func(l *slog.Logger, b []byte) { l.Info(strings.ToUpper(string(b))) },
		"an error":       func(l *slog.Logger, b []byte) { l.Error("x", "error", fmt.Errorf("body %s", b)) },
		"query":          func(l *slog.Logger, b []byte) { l.Info(url.QueryEscape(string(b))) },
		"URL escapes":    func(l *slog.Logger, b []byte) { l.Info(each(string(b), "%%%02X", "")) },
		"JSON escapes":   func(l *slog.Logger, b []byte) { l.Info(each(string(b), `\u%04X`, "")) },
		"base64":         func(l *slog.Logger, b []byte) { l.Info(base64.StdEncoding.EncodeToString(b)) },
		"base64 of URLs": func(l *slog.Logger, b []byte) { l.Info(base64.RawURLEncoding.EncodeToString(b)) },
		"numbers":        func(l *slog.Logger, b []byte) { l.Info(each(string(b), "%d", ",")) },
	} {
		for offset := range 3 {
			var log bytes.Buffer
			body := fmt.Sprintf(`{"resourceType":"Patient",%s"name":[{"family":"%s \"é"}]}`, strings.Repeat(" ", offset), canary)
			line(slog.New(slog.NewJSONHandler(&log, nil)), []byte(body))
			if len(leaks(log.Bytes(), canary)) == 0 {
				t.Errorf("a line with the body as %s, %d further, is not found:\n%s", name, offset, &log)
			}
		}
	}
	if got := leaks([]byte(`{"level":"INFO","msg":"request","route":"POST /fhir"}`), canary); got != nil {
		t.Errorf("got %v of a line that has nothing", got)
	}
	caught := map[string]bool{}
	for _, f := range forms {
		for _, leak := range leaks([]byte("?"+f.encode(canary)+"?"), canary) {
			caught[strings.TrimPrefix(leak, canary+" as ")] = true
		}
	}
	if missed := slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return caught[f.name] }); len(missed) > 0 {
		t.Errorf("not found: %v", missed)
	}
}
