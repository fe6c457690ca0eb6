package schemas

import (
	"testing"

	"github.com/xeipuuv/gojsonschema"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// TestPlainDatesAreValid changes every character of dates: what is taken for plain is valid by its schema, and a real day.
func TestPlainDatesAreValid(t *testing.T) {
	primitives := New(Config{}).files["primitives.schema.json"]
	primitives.load()
	for _, name := range []string{"date", "dateTime", "instant"} {
		n := primitives.definitions[name].load()
		plain := 0
		check := func(text string) {
			v, err := fhir.Parse([]byte(`{"resourceType":"Basic","created":"`+text+`"}`), "Basic", fhir.Limits{})
			if err != nil || !n.isPlain(v.Get("created")) {
				return
			}
			plain++
			result, err := n.schema.Validate(gojsonschema.NewRawLoader(text))
			if err != nil {
				t.Fatal(err)
			}
			if !result.Valid() || checkText(name, text) != "" {
				t.Errorf("%s %q is plain, and not valid", name, text)
			}
		}
		for _, text := range []string{
			"2024-02-29", "1999-12-31", "0000-01-01", "9999-12-30", "2024-02-29T09:30:00+10:00", "2024-02-29T23:59:59-13:59", "2024-02-29T09:30:00Z",
		} {
			check(text)
			for i := range len(text) {
				for _, c := range []byte("0123456789+-:.,TtZz ") {
					check(text[:i] + string(c) + text[i+1:])
				}
			}
		}
		if plain < 100 {
			t.Errorf("%s: %d are plain, want at least 100", name, plain)
		}
	}
}
