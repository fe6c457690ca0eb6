package generate

import "encoding/json"

// The types below are those parts of FHIR R4 that a generated referral uses, in the order of the standard.

type bundle struct {
	ResourceType string  `json:"resourceType"`
	Meta         *meta   `json:"meta"`
	Type         string  `json:"type"`
	Entry        []entry `json:"entry"`
}

type entry struct {
	FullURL  string  `json:"fullUrl"`
	Resource any     `json:"resource"`
	Request  request `json:"request"`
}

type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type meta struct {
	Profile  []string `json:"profile,omitempty"`
	Security []coding `json:"security,omitempty"`
}

type coding struct {
	System  string `json:"system"`
	Code    string `json:"code"`
	Display string `json:"display,omitempty"`
}

type concept struct {
	Coding []coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

type extension struct {
	URL         string  `json:"url"`
	ValueCoding *coding `json:"valueCoding"`
}

type identifier struct {
	Extension []extension `json:"extension,omitempty"`
	Type      *concept    `json:"type"`
	System    string      `json:"system"`
	Value     string      `json:"value"`
	Assigner  *reference  `json:"assigner,omitempty"`
}

type reference struct {
	Reference  string      `json:"reference,omitempty"`
	Identifier *identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

type quantity struct {
	Value  json.Number `json:"value"`
	Unit   string      `json:"unit"`
	System string      `json:"system"`
	Code   string      `json:"code"`
}

type period struct {
	Start string `json:"start"`
}

type humanName struct {
	Use    string   `json:"use"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
	Prefix []string `json:"prefix,omitempty"`
}

type contactPoint struct {
	System string `json:"system"`
	Value  string `json:"value"`
	Use    string `json:"use"`
}

type address struct {
	Use        string   `json:"use"`
	Type       string   `json:"type"`
	Line       []string `json:"line"`
	City       string   `json:"city"`
	State      string   `json:"state"`
	PostalCode string   `json:"postalCode"`
	Country    string   `json:"country"`
}

type narrative struct {
	Status string `json:"status"`
	Div    string `json:"div"`
}

type patient struct {
	ResourceType string         `json:"resourceType"`
	Meta         *meta          `json:"meta"`
	Extension    []extension    `json:"extension"`
	Identifier   []identifier   `json:"identifier"`
	Active       bool           `json:"active"`
	Name         []humanName    `json:"name"`
	Telecom      []contactPoint `json:"telecom"`
	Gender       string         `json:"gender"`
	BirthDate    string         `json:"birthDate"`
	Address      []address      `json:"address"`
}

type practitioner struct {
	ResourceType string       `json:"resourceType"`
	Meta         *meta        `json:"meta"`
	Identifier   []identifier `json:"identifier"`
	Active       bool         `json:"active"`
	Name         []humanName  `json:"name"`
}

type practitionerRole struct {
	ResourceType string         `json:"resourceType"`
	Meta         *meta          `json:"meta"`
	Identifier   []identifier   `json:"identifier"`
	Active       bool           `json:"active"`
	Practitioner reference      `json:"practitioner"`
	Organization reference      `json:"organization"`
	Code         []concept      `json:"code"`
	Specialty    []concept      `json:"specialty,omitempty"`
	Telecom      []contactPoint `json:"telecom"`
}

type organization struct {
	ResourceType string         `json:"resourceType"`
	Meta         *meta          `json:"meta"`
	Identifier   []identifier   `json:"identifier"`
	Active       bool           `json:"active"`
	Type         []concept      `json:"type"`
	Name         string         `json:"name"`
	Telecom      []contactPoint `json:"telecom"`
	Address      []address      `json:"address"`
}

type serviceRequest struct {
	ResourceType    string       `json:"resourceType"`
	Meta            *meta        `json:"meta"`
	Text            narrative    `json:"text"`
	Identifier      []identifier `json:"identifier"`
	Status          string       `json:"status"`
	Intent          string       `json:"intent"`
	Category        []concept    `json:"category"`
	Priority        string       `json:"priority"`
	Code            concept      `json:"code"`
	Subject         reference    `json:"subject"`
	AuthoredOn      string       `json:"authoredOn"`
	Requester       reference    `json:"requester"`
	Performer       []reference  `json:"performer"`
	ReasonCode      []concept    `json:"reasonCode"`
	ReasonReference []reference  `json:"reasonReference,omitempty"`
	SupportingInfo  []reference  `json:"supportingInfo,omitempty"`
}

type task struct {
	ResourceType    string      `json:"resourceType"`
	GroupIdentifier *identifier `json:"groupIdentifier"`
	Status          string      `json:"status"`
	Intent          string      `json:"intent"`
	Priority        string      `json:"priority"`
	Code            concept     `json:"code"`
	Description     string      `json:"description"`
	Focus           reference   `json:"focus"`
	For             reference   `json:"for"`
	AuthoredOn      string      `json:"authoredOn"`
	LastModified    string      `json:"lastModified"`
	Requester       reference   `json:"requester"`
	Owner           reference   `json:"owner"`
}

type condition struct {
	ResourceType       string    `json:"resourceType"`
	Meta               *meta     `json:"meta"`
	ClinicalStatus     concept   `json:"clinicalStatus"`
	VerificationStatus concept   `json:"verificationStatus"`
	Category           []concept `json:"category"`
	Code               concept   `json:"code"`
	Subject            reference `json:"subject"`
	OnsetDateTime      string    `json:"onsetDateTime"`
	RecordedDate       string    `json:"recordedDate"`
	Recorder           reference `json:"recorder"`
}

type allergyIntolerance struct {
	ResourceType       string     `json:"resourceType"`
	Meta               *meta      `json:"meta"`
	ClinicalStatus     concept    `json:"clinicalStatus"`
	VerificationStatus concept    `json:"verificationStatus"`
	Type               string     `json:"type"`
	Category           []string   `json:"category"`
	Criticality        string     `json:"criticality"`
	Code               concept    `json:"code"`
	Patient            reference  `json:"patient"`
	OnsetDateTime      string     `json:"onsetDateTime"`
	Recorder           reference  `json:"recorder"`
	Reaction           []reaction `json:"reaction"`
}

type reaction struct {
	Manifestation []concept `json:"manifestation"`
	Severity      string    `json:"severity"`
}

type medicationStatement struct {
	ResourceType              string    `json:"resourceType"`
	Meta                      *meta     `json:"meta"`
	Status                    string    `json:"status"`
	MedicationCodeableConcept concept   `json:"medicationCodeableConcept"`
	Subject                   reference `json:"subject"`
	EffectivePeriod           period    `json:"effectivePeriod"`
	DateAsserted              string    `json:"dateAsserted"`
	InformationSource         reference `json:"informationSource"`
	Dosage                    []dosage  `json:"dosage"`
}

type dosage struct {
	Text string `json:"text"`
}

type observation struct {
	ResourceType      string           `json:"resourceType"`
	Meta              *meta            `json:"meta"`
	Status            string           `json:"status"`
	Category          []concept        `json:"category"`
	Code              concept          `json:"code"`
	Subject           reference        `json:"subject"`
	EffectiveDateTime string           `json:"effectiveDateTime"`
	Performer         []reference      `json:"performer"`
	ValueQuantity     *quantity        `json:"valueQuantity,omitempty"`
	ReferenceRange    []referenceRange `json:"referenceRange,omitempty"`
	Component         []component      `json:"component,omitempty"`
}

type referenceRange struct {
	Low  quantity `json:"low"`
	High quantity `json:"high"`
}

type component struct {
	Code          concept  `json:"code"`
	ValueQuantity quantity `json:"valueQuantity"`
}

type procedure struct {
	ResourceType      string    `json:"resourceType"`
	Meta              *meta     `json:"meta"`
	Status            string    `json:"status"`
	Code              concept   `json:"code"`
	Subject           reference `json:"subject"`
	PerformedDateTime string    `json:"performedDateTime"`
	Recorder          reference `json:"recorder"`
}

type immunization struct {
	ResourceType       string    `json:"resourceType"`
	Meta               *meta     `json:"meta"`
	Status             string    `json:"status"`
	VaccineCode        concept   `json:"vaccineCode"`
	Patient            reference `json:"patient"`
	OccurrenceDateTime string    `json:"occurrenceDateTime"`
	PrimarySource      bool      `json:"primarySource"`
	LotNumber          string    `json:"lotNumber"`
}

type documentReference struct {
	ResourceType string      `json:"resourceType"`
	Status       string      `json:"status"`
	DocStatus    string      `json:"docStatus"`
	Type         concept     `json:"type"`
	Subject      reference   `json:"subject"`
	Date         string      `json:"date"`
	Author       []reference `json:"author"`
	Custodian    reference   `json:"custodian"`
	Description  string      `json:"description"`
	Content      []content   `json:"content"`
}

type content struct {
	Attachment attachment `json:"attachment"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Language    string `json:"language"`
	Data        []byte `json:"data"`
	Size        int    `json:"size"`
	Hash        []byte `json:"hash"` // SHA-1 (FHIR R4 datatypes.html#Attachment)
	Title       string `json:"title"`
	Creation    string `json:"creation"`
}

// The systems of codes.
const (
	snomed = "http://snomed.info/sct"
	loinc  = "http://loinc.org"
	ucum   = "http://unitsofmeasure.org"
	v20203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
	au0203 = "http://terminology.hl7.org.au/CodeSystem/v2-0203"
	hl7    = "http://terminology.hl7.org/CodeSystem/"
)

// coded returns a concept of one coding.
func coded(system, code, display string) concept {
	return concept{Coding: []coding{{system, code, display}}}
}

// hl7Code returns a code of one of HL7's own systems. It goes without display, which keeps large referrals below 4 MiB.
func hl7Code(system, code string) concept {
	return concept{Coding: []coding{{System: hl7 + system, Code: code}}}
}

// profiled returns the meta of a resource that follows an AU Core profile.
func profiled(name string) *meta {
	return &meta{Profile: []string{"http://hl7.org.au/fhir/core/StructureDefinition/au-core-" + name}}
}

// typed returns an identifier with its type.
func typed(typeSystem, code, text, system, value string) *identifier {
	return &identifier{Type: &concept{Coding: []coding{{System: typeSystem, Code: code}}, Text: text}, System: system, Value: value}
}
