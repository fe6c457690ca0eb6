// Package profile holds documents against the profiles that they claim, and extensions against their definitions.
//
// Profiles are tables, compiled from StructureDefinitions by package compile: they state only what a profile asks
// beyond the type it constrains, so that what is not in a table costs nothing to check. A table is read when a
// document first claims its profile.
package profile

import "encoding/json"

// Profile is one StructureDefinition that constrains a type (FHIR R4 structuredefinition.html, derivation
// "constraint"), as a table.
type Profile struct {
	URL      string `json:"url"`
	Version  string `json:"version,omitempty"`
	Name     string `json:"name"` // for people: "AU Core Patient"
	Package  string `json:"package"`
	Type     string `json:"type"`           // the resource or datatype that it constrains
	Base     string `json:"base,omitempty"` // the profile it derives from; "" for the type itself
	Abstract bool   `json:"abstract,omitempty"`
	// Contexts are where an extension may stand: StructureDefinition.context, such as "Patient" or "Address.line".
	Contexts []string `json:"contexts,omitempty"`
	Root     Element  `json:"root"`

	lazy *lazyRules
}

// Element is what a profile says about one element, or about one slice of it (FHIR R4 elementdefinition.html). It
// leaves out all that the type itself already says.
type Element struct {
	// Name is the element's name, such as "identifier"; with [x] for a choice ("value[x]"). Empty for the root.
	Name string `json:"name,omitempty"`
	// Slice is the slice's name; empty for the element itself.
	Slice string `json:"slice,omitempty"`

	Min int  `json:"min,omitempty"` // where more than the type's
	Max *int `json:"max,omitempty"` // where less than the type's; nil is no limit of the profile's
	// Types are what a choice, or an element that holds any resource (Bundle.entry.resource), may still be, in the
	// spelling of the type (dateTime); nil where it may be any.
	Types []string `json:"types,omitempty"`
	// Profiles are what the element must conform to, one of them at least; for an extension its definition, for a
	// resource (Bundle.entry.resource) its profiles. With a plain type among the alternatives it is not stated.
	Profiles []string `json:"profiles,omitempty"`
	// Targets are what a Reference may lead to: canonical URLs of profiles or, for a plain type, its name.
	Targets []string `json:"targets,omitempty"`

	Fixed     json.RawMessage `json:"fixed,omitempty"`
	Pattern   json.RawMessage `json:"pattern,omitempty"`
	MaxLength int             `json:"maxLength,omitempty"`
	Binding   *Binding        `json:"binding,omitempty"`

	Invariants []Invariant `json:"invariants,omitempty"`

	Slicing  *Slicing  `json:"slicing,omitempty"`
	Slices   []Element `json:"slices,omitempty"` // in the order of the profile
	Children []Element `json:"children,omitempty"`
}

// Binding says which codes an element may have. Only those that decide something are kept: required and extensible.
type Binding struct {
	Strength string `json:"strength"`
	ValueSet string `json:"valueSet"` // canonical, without version
}

// Invariant is a rule in FHIRPath (ElementDefinition.constraint). Its key is unique within its profile only.
type Invariant struct {
	Key        string `json:"key"`
	Severity   string `json:"severity"` // error or warning
	Human      string `json:"human"`
	Expression string `json:"expression"`
}

// Slicing says how the slices of an element are told apart (ElementDefinition.slicing).
type Slicing struct {
	Discriminators []Discriminator `json:"discriminators,omitempty"`
	Rules          string          `json:"rules"` // open, closed, openAtEnd
	Ordered        bool            `json:"ordered,omitempty"`
}

// Discriminator is ElementDefinition.slicing.discriminator: value, pattern, type, profile or exists, at a path such
// as "$this", "type", "coding.code", "resolve()".
type Discriminator struct {
	Type string `json:"type"`
	Path string `json:"path"`
}
