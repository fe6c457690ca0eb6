package schemas

import (
	"net/http"
	"testing"

	"github.com/xeipuuv/gojsonschema"
)

// TestEverySchemaCompiles compiles each definition of each file: load panics on what it cannot read or resolve.
func TestEverySchemaCompiles(t *testing.T) {
	v := New(Config{})
	compiled := 0
	for _, f := range v.files {
		f.load()
		if f.root != nil {
			f.root.load()
			compiled++
		}
		for _, n := range f.definitions {
			n.load()
			compiled++
			choices := map[string]bool{}
			for _, m := range n.members {
				if m.isChoice {
					choices[m.element] = true
				}
			}
			if got, most := len(choices), len((&choicesSeen{}).seen); got > most {
				t.Errorf("%s has %d choices, more than the %d that walk follows", n.name, got, most)
			}
		}
	}
	if compiled < 800 {
		t.Errorf("got %d types, want at least 800", compiled)
	}
}

// TestSchemasServeOtherValidators follows all $refs as any JSON Schema validator would, and agrees with Check.
func TestSchemasServeOtherValidators(t *testing.T) {
	reference := gojsonschema.NewReferenceLoaderFileSystem("file:///Patient.schema.json", http.FS(New(Config{}).fsys))
	patient, err := gojsonschema.NewSchema(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		doc   string
		valid bool
	}{
		{`{"resourceType":"Patient","gender":"female","name":[{"given":["A",null],"_given":[null,{"id":"x"}]}],"contained":[{"resourceType":"Organization"}]}`, true},
		{`{"resourceType":"Patient","gender":"F"}`, false},
		{`{"resourceType":"Patient","birthDate":"1970-13"}`, false},
		{`{"resourceType":"Patient","extension":[{"valueQuantity":{"value":1}}]}`, false},
		{`{"resourceType":"Patient","communication":[{"preferred":true}]}`, false},
		{`{"resourceType":"Patient","link":[{"other":{"display":"x"},"_type":{"id":"x"}}]}`, true}, // Check wants an extension
		{`{"resourceType":"Patient","link":[{"other":{"display":"x"}}]}`, false},
		{`{"resourceType":"Patient","contained":[{"id":"x"}]}`, false},
	} {
		result, err := patient.Validate(gojsonschema.NewStringLoader(tt.doc))
		if err != nil {
			t.Fatal(err)
		}
		if got := result.Valid(); got != tt.valid {
			t.Errorf("Validate(%s): got %v, want %v: %v", tt.doc, got, tt.valid, result.Errors())
		}
	}
}
