package schemas

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/terminology"
)

//go:embed r4/*.json profiles/*.json
var tables embed.FS

// anyResource is the type in datatypes.schema.json that stands where any resource may.
const anyResource = "Resource"

// Mode says what becomes of the faults of a resource by a profile that it does not claim itself.
type Mode string

// The modes.
const (
	Off     Mode = "off"     // it is held against what it claims only
	Warn    Mode = "warn"    // they are warnings
	Enforce Mode = "enforce" // they are errors
)

// Config is what a Validator may be told. The zero value works.
type Config struct {
	// Packages are tables of further profiles, as package compile makes them. A profile that is built in stays as it is.
	Packages []fs.FS
	// Defaults is for the parties and requests of a new referral that claim no known profile: they are held against
	// those of Australia; "" means Warn. What another resource claims binds its targets in any mode: a Condition that
	// claims AU Core needs a patient who conforms to AU Core.
	Defaults Mode
	// Base is the URL of this server's FHIR interface, such as https://referrals.example/fhir: a reference to another
	// server is told from one to this; "" lets any URL be this server's.
	Base string
	Now  func() time.Time // nil: time.Now
}

// Validator checks documents. A type's schema and a profile's table are read when a document first asks for them, and
// then kept and shared. Safe for concurrent use.
type Validator struct {
	fsys     fs.FS
	files    map[string]*file // by name
	profiles *profile.Library
	checker  *profile.Checker
	config   Config
}

// New returns a Validator for the types of FHIR R4 and for the profiles of Australia and of c. It reads little yet.
func New(c Config) *Validator {
	c.Defaults = cmp.Or(c.Defaults, Warn)
	if c.Now == nil {
		c.Now = time.Now
	}
	v := &Validator{fsys: folder("r4"), files: map[string]*file{}, config: c}
	names, err := fs.Glob(v.fsys, "*.schema.json")
	if err != nil {
		panic(err) // the pattern is valid
	}
	for _, name := range names {
		v.files[name] = &file{validator: v, name: name}
	}
	sources := append([]fs.FS{folder("profiles")}, c.Packages...)
	if v.profiles, err = profile.NewLibrary(sources...); err != nil {
		panic(err) // compile writes an index
	}
	v.checker = profile.NewChecker(v.profiles, terminology.New(sources...))
	return v
}

func folder(name string) fs.FS {
	fsys, err := fs.Sub(tables, name)
	if err != nil {
		panic(err) // the name is valid
	}
	return fsys
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
