package compile

import (
	"bytes"
	"encoding/json"
	"strings"
)

// packageID is the part of package.json that the manifest and the index record. Version is empty for a folder of
// definitions without one.
type packageID struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

func (id packageID) String() string {
	if id.Version == "" {
		return id.Name
	}
	return id.Name + "#" + id.Version
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
	Context    []struct {
		Type       string `json:"type"`
		Expression string `json:"expression"`
	} `json:"context"`
	Snapshot struct {
		Element []elementDefinition `json:"element"`
	} `json:"snapshot"`

	packageID  packageID
	referenced bool                          // wanted only where others refer to it
	byPath     map[string]*elementDefinition // see element
}

// element returns the element of a type at path, such as Patient.contact.name, or nil.
func (s *structureDefinition) element(path string) *elementDefinition {
	if s.byPath == nil {
		s.byPath = make(map[string]*elementDefinition, len(s.Snapshot.Element))
		for i := range s.Snapshot.Element {
			s.byPath[s.Snapshot.Element[i].Path] = &s.Snapshot.Element[i]
		}
	}
	return s.byPath[path]
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
	IsSummary        bool          `json:"isSummary"`
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
