package compile

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Definitions holds what some packages define, by canonical URL. It is not safe for concurrent use.
type Definitions struct {
	packages   []packageID // the one being read comes last
	structures map[string]*structureDefinition
	valueSets  map[string]*valueSet
	systems    map[string]*codeSystem
	expansions map[string]*collection // complete ones, by the value set's URL
	rules      map[string]bool        // see baseRules
}

// packageID is the part of package.json that the manifest records.
type packageID struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// structureDefinition is the part of FHIR R4 structuredefinition.html that a schema is made from.
type structureDefinition struct {
	URL        string `json:"url"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	Kind       string `json:"kind"`
	Abstract   bool   `json:"abstract"`
	Derivation string `json:"derivation"`
	Version    string `json:"version"`
	Title      string `json:"title"`
	Base       string `json:"baseDefinition"`
	packageID  packageID
	Context    []struct {
		Type       string `json:"type"`
		Expression string `json:"expression"`
	} `json:"context"`
	Snapshot struct {
		Element []elementDefinition `json:"element"`
	} `json:"snapshot"`
}

// elementDefinition is the part of FHIR R4 elementdefinition.html that a schema or a table is made from.
type elementDefinition struct {
	ID        string `json:"id"`
	Path      string `json:"path"`
	SliceName string `json:"sliceName"`
	Min       int    `json:"min"`
	Max       string `json:"max"`
	// BaseDefinition is what the type itself says, in the definition of a profile.
	BaseDefinition struct {
		Min int    `json:"min"`
		Max string `json:"max"`
	} `json:"base"`
	ContentReference string        `json:"contentReference"`
	Type             []elementType `json:"type"`
	MaxLength        int           `json:"maxLength"`
	Binding          struct {
		Strength string `json:"strength"`
		ValueSet string `json:"valueSet"`
	} `json:"binding"`
	Constraint []constraint `json:"constraint"`
	Slicing    *struct {
		Discriminator []struct {
			Type string `json:"type"`
			Path string `json:"path"`
		} `json:"discriminator"`
		Rules   string `json:"rules"`
		Ordered bool   `json:"ordered"`
	} `json:"slicing"`

	// fixed and pattern are fixed[x] and pattern[x] (both choices of every type), as they stand.
	fixed, pattern json.RawMessage
}

type elementType struct {
	Code          string   `json:"code"`
	Profile       []string `json:"profile"`
	TargetProfile []string `json:"targetProfile"`
}

// constraint is ElementDefinition.constraint.
type constraint struct {
	Key        string `json:"key"`
	Severity   string `json:"severity"`
	Human      string `json:"human"`
	Expression string `json:"expression"`
	Source     string `json:"source"`
}

// UnmarshalJSON also keeps fixed[x] and pattern[x], whose names depend on their type.
func (e *elementDefinition) UnmarshalJSON(data []byte) error {
	type plain elementDefinition
	if err := json.Unmarshal(data, (*plain)(e)); err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(`"fixed`)) && !bytes.Contains(data, []byte(`"pattern`)) {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for name, value := range members {
		if strings.HasPrefix(name, "fixed") {
			e.fixed = value
		} else if strings.HasPrefix(name, "pattern") {
			e.pattern = value
		}
	}
	return nil
}

// valueSet is the part of FHIR R4 valueset.html that decides which codes belong to it.
type valueSet struct {
	URL     string `json:"url"`
	ID      string `json:"id"`
	Compose struct {
		Include []conceptSet `json:"include"`
		Exclude []conceptSet `json:"exclude"`
	} `json:"compose"`
	Expansion expansion `json:"expansion"`
}

// expansion is ValueSet.expansion.
type expansion struct {
	Total    int         `json:"total"`
	Offset   int         `json:"offset"`
	Contains []contained `json:"contains"`
}

type contained struct {
	System   string      `json:"system"`
	Code     string      `json:"code"`
	Contains []contained `json:"contains"`
}

// conceptSet is ValueSet.compose.include.
type conceptSet struct {
	System   string    `json:"system"`
	Concept  []concept `json:"concept"`
	Filter   []filter  `json:"filter"`
	ValueSet []string  `json:"valueSet"`
}

type filter struct {
	Property string `json:"property"`
	Op       string `json:"op"`
	Value    string `json:"value"`
}

// codeSystem is the part of FHIR R4 codesystem.html that decides which codes it has.
type codeSystem struct {
	URL     string    `json:"url"`
	Content string    `json:"content"`
	Concept []concept `json:"concept"`
}

type concept struct {
	Code     string    `json:"code"`
	Concept  []concept `json:"concept"`
	Property []struct {
		Code      string `json:"code"`
		ValueCode string `json:"valueCode"`
	} `json:"property"`
}

// Read returns what the packages at locations define, each a folder or a .tgz in the layout of the FHIR NPM package
// specification (https://hl7.org/fhir/packages.html); the first to define a canonical URL wins.
func Read(locations ...string) (*Definitions, error) {
	d := newDefinitions()
	for _, location := range locations {
		if err := d.readPackage(location); err != nil {
			return nil, fmt.Errorf("read %s: %w", location, err)
		}
	}
	return d, nil
}

func newDefinitions() *Definitions {
	return &Definitions{
		structures: map[string]*structureDefinition{},
		valueSets:  map[string]*valueSet{},
		systems:    map[string]*codeSystem{},
		expansions: map[string]*collection{},
	}
}

// readPackage adds what the package at location, a folder or a .tgz, defines. Files are taken in the order of their
// names, so that the result does not depend on how the package was archived.
func (d *Definitions) readPackage(location string) error {
	files, err := packageFiles(location)
	if err != nil {
		return err
	}
	id, err := identify(files)
	if err != nil {
		return err
	}
	d.packages = append(d.packages, id)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := d.addFile(name, files[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// identify returns the name and version of a package: by its package.json or, in what an IG's sources were built to,
// by its ImplementationGuide.
func identify(files Files) (id packageID, err error) {
	if json.Unmarshal(files["package.json"], &id) == nil && id.Name != "" && id.Version != "" {
		return id, nil
	}
	for name, content := range files {
		if strings.HasPrefix(name, "ImplementationGuide-") {
			var guide struct{ PackageID, Version string }
			if json.Unmarshal(content, &guide) == nil && guide.PackageID != "" && guide.Version != "" {
				return packageID{guide.PackageID, guide.Version}, nil
			}
		}
	}
	return id, errors.New("package.json with a name and a version is missing")
}

// addFile adds one resource. Packages name their files Type-id.json; the types of no interest are not even parsed.
func (d *Definitions) addFile(name string, data []byte) error {
	kind, _, _ := strings.Cut(name, "-")
	switch kind {
	case "Bundle":
		var bundle struct {
			Entry []struct {
				Resource json.RawMessage `json:"resource"`
			} `json:"entry"`
		}
		if err := json.Unmarshal(data, &bundle); err != nil {
			return err
		}
		for i, entry := range bundle.Entry {
			if len(entry.Resource) == 0 {
				continue
			}
			if err := d.addResource(entry.Resource); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		}
	case "StructureDefinition", "ValueSet", "CodeSystem":
		return d.addResource(data)
	}
	return nil
}

func (d *Definitions) addResource(data []byte) error {
	var header struct {
		ResourceType string `json:"resourceType"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return err
	}
	switch header.ResourceType {
	case "StructureDefinition":
		return add(d.structures, data, func(s *structureDefinition) string {
			s.packageID = d.packages[len(d.packages)-1]
			return s.URL
		})
	case "ValueSet":
		return add(d.valueSets, data, func(v *valueSet) string {
			if d.expansions[v.URL] == nil {
				if c := v.Expansion.collection(); c != nil {
					d.expansions[v.URL] = c
				}
			}
			return v.URL
		})
	case "CodeSystem":
		return add(d.systems, data, func(c *codeSystem) string { return c.URL })
	}
	return nil
}

// add keeps the first definition of a canonical URL.
func add[T any](known map[string]*T, data []byte, url func(*T) string) error {
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	if u := url(v); known[u] == nil {
		known[u] = v
	}
	return nil
}

// byType returns the structures of a kind that define a type of their own (profiles do not), by name.
func (d *Definitions) byType(kind string) []*structureDefinition {
	var found []*structureDefinition
	for _, s := range d.structures {
		if s.Kind == kind && s.Derivation != "constraint" && !s.Abstract &&
			s.URL == "http://hl7.org/fhir/StructureDefinition/"+s.Type {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *structureDefinition) int { return cmp.Compare(a.Type, b.Type) })
	return found
}

// packageFiles returns the JSON files of a package by base name: those of its folder "package", or of the folder
// itself where there is none. Files in folders below, such as example/, are no definitions.
func packageFiles(location string) (Files, error) {
	if info, err := os.Stat(location); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return archiveFiles(location)
	}
	if inner := filepath.Join(location, "package"); isDir(inner) {
		location = inner
	}
	paths, err := filepath.Glob(filepath.Join(location, "*.json"))
	if err != nil {
		return nil, err
	}
	files := make(Files, len(paths))
	for _, p := range paths {
		if files[filepath.Base(p)], err = os.ReadFile(p); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func archiveFiles(name string) (files Files, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	files = Files{}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		folder, base := path.Split(path.Clean(header.Name))
		if folder != "package/" || !strings.HasSuffix(base, ".json") {
			continue
		}
		if files[base], err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
}
