package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed r4/*.json
var r4 embed.FS

// anyResource is the type in datatypes.schema.json that stands where any resource may.
const anyResource = "Resource"

// Validator checks documents. A type's schema is read when a document first holds that type, and then kept and
// shared. Safe for concurrent use.
type Validator struct {
	fsys  fs.FS
	files map[string]*file // by name
}

// New returns a Validator for the types of FHIR R4. It reads nothing yet.
func New() *Validator {
	fsys, err := fs.Sub(r4, "r4")
	if err != nil {
		panic(err) // "r4" is a valid name
	}
	v := &Validator{fsys: fsys, files: map[string]*file{}}
	names, err := fs.Glob(fsys, "*.schema.json")
	if err != nil {
		panic(err) // the pattern is valid
	}
	for _, name := range names {
		v.files[name] = &file{validator: v, name: name}
	}
	return v
}

// resourceType returns the type of resources called name, or nil.
func (v *Validator) resourceType(name string) *node {
	f := v.files[name+".schema.json"]
	if f == nil {
		return nil
	}
	f.load()
	return f.root
}

// file is one file of schemas: a resource type with what is nested in it, or a collection of shared types.
type file struct {
	validator *Validator
	name      string

	once        sync.Once
	root        *node            // the resource type; nil for a collection
	definitions map[string]*node // by name
}

// load reads the file, once. What is embedded was made by schemas/compile, and a test reads all of it, so that a
// failure here is a broken build.
func (f *file) load() {
	f.once.Do(func() {
		source, err := fs.ReadFile(f.validator.fsys, f.name)
		if err != nil {
			panic(err)
		}
		var content struct {
			Title       string                     `json:"title"`
			Definitions map[string]json.RawMessage `json:"definitions"`
		}
		if err := json.Unmarshal(source, &content); err != nil {
			panic(fmt.Errorf("schemas: %s: %w", f.name, err))
		}
		if content.Title != "" {
			f.root = &node{file: f, name: content.Title, source: source}
		}
		f.definitions = make(map[string]*node, len(content.Definitions))
		for name, definition := range content.Definitions {
			f.definitions[name] = &node{file: f, name: name, source: definition}
		}
	})
}

// follow returns the type that ref, as it stands in f, points at.
func (f *file) follow(ref string) *node {
	name, fragment, _ := strings.Cut(ref, "#")
	target := f
	if name != "" {
		target = f.validator.files[name]
	}
	target.load()
	n := target.definitions[path.Base(fragment)]
	if n == nil {
		panic(fmt.Errorf("schemas: %s: %s leads nowhere", f.name, ref))
	}
	return n
}
