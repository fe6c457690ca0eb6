package search

// Type is the type of a search parameter (FHIR R4 search.html#ptypes).
type Type string

// The types of parameter that are indexed.
const (
	Token     Type = "token"
	Reference Type = "reference"
)

// Param is one search parameter of a resource type.
type Param struct {
	Name   string
	Type   Type
	Path   string   // the element below the resource; of arrays every item counts
	Target []string // Reference: the types it may lead to; empty: any
}

var (
	identifier = Param{Name: "identifier", Type: Token, Path: "identifier"}
	patientBy  = func(path string) Param {
		return Param{Name: "patient", Type: Reference, Path: path, Target: []string{"Patient"}}
	}
)

// params is FHIR R4 searchparameter-registry.html, as far as it is served.
var params = map[string][]Param{
	"AllergyIntolerance":   {identifier, patientBy("patient")},
	"CommunicationRequest": {identifier, patientBy("subject")},
	"Composition":          {identifier, patientBy("subject")},
	"Condition":            {identifier, patientBy("subject")},
	"Consent":              {identifier, patientBy("patient")},
	"Coverage":             {identifier, patientBy("beneficiary")},
	"DocumentReference":    {identifier, patientBy("subject")},
	"Encounter":            {identifier, patientBy("subject")},
	"MedicationStatement":  {identifier, patientBy("subject")},
	"MessageHeader":        {},
	"Observation":          {identifier, patientBy("subject")},
	"Organization":         {identifier},
	"Patient":              {identifier},
	"Practitioner":         {identifier},
	"PractitionerRole":     {identifier},
	"ServiceRequest":       {identifier, patientBy("subject")},
	"Task":                 {identifier, patientBy("for")},
}

// Params returns the parameters of a resource type, without those that all types have such as _id, and whether the
// type is served at all.
func Params(resourceType string) ([]Param, bool) {
	p, ok := params[resourceType]
	return p, ok
}

// Lookup returns the parameter of a resource type by its name.
func Lookup(resourceType, name string) (Param, bool) {
	for _, p := range params[resourceType] {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}
