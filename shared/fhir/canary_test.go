package fhir_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// TestValueShowsNoContent formats and logs a document in every way and place.
func TestValueShowsNoContent(t *testing.T) {
	v, err := fhir.Parse([]byte(`{"zqxname":"zqxcanary","escaped\\zqx":"\\zqx","entry":[{"resource":{"zqx":["zqx"]}}]}`), "Patient", fhir.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	type exported struct {
		Value   fhir.Value
		Pointer *fhir.Value
		Items   []fhir.Value
	}
	type unexported struct {
		value   fhir.Value
		pointer *fhir.Value
		items   []fhir.Value
	}
	for name, shown := range map[string]any{
		"pointer": v, "value": *v, "string": v.Get("zqxname"), "string's value": *v.Get("zqxname"), "slice": v.Items(),
		"pointers": []*fhir.Value{v}, "map": map[string]fhir.Value{"a": *v}, "map of slices": map[string][]fhir.Value{"a": v.Items()},
		"key": map[any]bool{v: true}, "struct": exported{*v, v, v.Items()}, "pointer to a struct": &exported{*v, v, v.Items()},
		"unexported fields": unexported{*v, v, v.Items()}, "pointer to unexported fields": &unexported{*v, v, v.Items()},
		"Bundle": fhir.AsBundle(v), "entries": fhir.AsBundle(v).Entries, "error": fmt.Errorf("of %v", *v),
	} {
		var out bytes.Buffer
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			fmt.Fprintf(&out, format+"\n", shown)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		slog.New(slog.NewTextHandler(&out, nil)).Info("", "shown", shown, "group", slog.GroupValue(slog.Any("shown", shown)))
		if content, err := json.Marshal(shown); err == nil {
			out.Write(content)
		}
		for line := range strings.Lines(out.String()) {
			if lower := strings.ToLower(line); strings.Contains(lower, "zqx") || strings.Contains(lower, "7a7178") {
				t.Errorf("%s shows content: %.300s", name, line)
			}
		}
	}
	if got, want := fmt.Sprint(v.Items()), "[[string, 11 bytes] [string, 7 bytes] [array, 30 bytes]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got, want := fmt.Sprintf(format, v.Get("missing")), "<nil>"; got != want {
			t.Errorf("got %s for an absent value, want %s", got, want)
		}
	}
	if got, want := v.Get("missing").LogValue().String(), "[absent]"; got != want {
		t.Errorf("got %s for an absent value, want %s", got, want)
	}
}
