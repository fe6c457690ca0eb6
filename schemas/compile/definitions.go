package compile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Definitions holds what some packages define, by canonical URL. It is not safe for concurrent use.
type Definitions struct {
	packages   []packageID // the one being read comes last
	referenced bool        // of the packages being read, only what others refer to is wanted
	structures map[string]*structureDefinition
	valueSets  map[string]*valueSet
	systems    map[string]*codeSystem
	expansions map[string]*collection // complete ones, by the value set's URL
	rules      map[string]bool        // see baseRules
}

func newDefinitions() *Definitions {
	return &Definitions{
		structures: map[string]*structureDefinition{},
		valueSets:  map[string]*valueSet{},
		systems:    map[string]*codeSystem{},
		expansions: map[string]*collection{},
	}
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
			s.packageID, s.referenced = d.packages[len(d.packages)-1], d.referenced
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
			s.URL == baseURL+s.Type {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *structureDefinition) int { return cmp.Compare(a.Type, b.Type) })
	return found
}
