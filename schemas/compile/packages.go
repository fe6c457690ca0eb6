package main

import (
	"archive/tar"
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

// definitions holds what the packages define, by canonical URL.
type definitions struct {
	packages   []packageID
	structures map[string]*structureDefinition
	valueSets  map[string]*valueSet
	systems    map[string]*codeSystem
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
	Snapshot   struct {
		Element []elementDefinition `json:"element"`
	} `json:"snapshot"`
}

// elementDefinition is the part of FHIR R4 elementdefinition.html that a schema is made from.
type elementDefinition struct {
	Path             string `json:"path"`
	Min              int    `json:"min"`
	Max              string `json:"max"`
	ContentReference string `json:"contentReference"`
	Type             []struct {
		Code string `json:"code"`
	} `json:"type"`
	Binding struct {
		Strength string `json:"strength"`
		ValueSet string `json:"valueSet"`
	} `json:"binding"`
}

// valueSet is the part of FHIR R4 valueset.html that decides which codes belong to it.
type valueSet struct {
	URL     string `json:"url"`
	ID      string `json:"id"`
	Compose struct {
		Include []conceptSet `json:"include"`
		Exclude []conceptSet `json:"exclude"`
	} `json:"compose"`
}

// conceptSet is ValueSet.compose.include.
type conceptSet struct {
	System   string            `json:"system"`
	Concept  []concept         `json:"concept"`
	Filter   []json.RawMessage `json:"filter"`
	ValueSet []string          `json:"valueSet"`
}

// codeSystem is the part of FHIR R4 codesystem.html that decides which codes it has.
type codeSystem struct {
	URL     string    `json:"url"`
	Content string    `json:"content"`
	Concept []concept `json:"concept"`
}

type concept struct {
	Code    string    `json:"code"`
	Concept []concept `json:"concept"`
}

func newDefinitions() *definitions {
	return &definitions{
		structures: map[string]*structureDefinition{},
		valueSets:  map[string]*valueSet{},
		systems:    map[string]*codeSystem{},
	}
}

// readPackage adds what the package at location, a folder or a .tgz, defines. Files are taken in the order of their
// names, so that the result does not depend on how the package was archived.
func (d *definitions) readPackage(location string) error {
	files, err := packageFiles(location)
	if err != nil {
		return err
	}
	var id packageID
	if err := json.Unmarshal(files["package.json"], &id); err != nil || id.Name == "" || id.Version == "" {
		return errors.New("package.json with a name and a version is missing")
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

// addFile adds one resource. Packages name their files Type-id.json; the types of no interest are not even parsed.
func (d *definitions) addFile(name string, data []byte) error {
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

func (d *definitions) addResource(data []byte) error {
	var header struct {
		ResourceType string `json:"resourceType"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return err
	}
	switch header.ResourceType {
	case "StructureDefinition":
		return add(d.structures, data, func(s *structureDefinition) string { return s.URL })
	case "ValueSet":
		return add(d.valueSets, data, func(v *valueSet) string { return v.URL })
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
func (d *definitions) byType(kind string) []*structureDefinition {
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
func packageFiles(location string) (map[string][]byte, error) {
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
	files := make(map[string][]byte, len(paths))
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

func archiveFiles(name string) (files map[string][]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	files = map[string][]byte{}
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
