package search

import (
	"iter"
	"maps"
	"slices"
)

// Type is the type of a search parameter (FHIR R4 search.html#ptypes).
type Type string

// The types of parameter that are served.
const (
	Date      Type = "date"
	Reference Type = "reference"
	String    Type = "string"
	Token     Type = "token"
	URI       Type = "uri"
)

// Use is what the index has of a parameter.
type Use int

const (
	// Unindexed parameters are looked for in the content of what the others lead to.
	Unindexed Use = iota
	// Checked ones have keys, of which so many resources share one that no search starts from them.
	Checked
	// Leading ones have keys that few resources share.
	Leading
)

// Param is one search parameter of a resource type.
type Param struct {
	Name   string
	Type   Type
	Path   string   // elements below the resource, with | between alternatives; of arrays every item counts; extension(url) is one with that url
	Target []string // Reference: the types it may lead to; empty: any
	System string   // Token: of an element of type code, the code system that its value set says
	Use    Use
}

// The code systems of R4 that elements of type code have their values from.
const (
	requestStatus = "http://hl7.org/fhir/request-status"
	requestIntent = "http://hl7.org/fhir/request-intent"
	priorities    = "http://hl7.org/fhir/request-priority"
	eventStatus   = "http://hl7.org/fhir/event-status"
)

var (
	identifier = Param{Name: "identifier", Type: Token, Path: "identifier", Use: Leading}
	patientBy  = func(path string) Param { return link("patient", path, "Patient") }
	// concept is of a CodeableConcept or a Coding, code of a code.
	concept = func(name, path string) Param { return Param{Name: name, Type: Token, Path: path} }
	code    = func(name, path, system string) Param {
		return Param{Name: name, Type: Token, Path: path, System: system}
	}
	checked = func(p Param) Param { p.Use = Checked; return p }
	leading = func(p Param) Param { p.Use = Leading; return p }
	link    = func(name, path string, targets ...string) Param {
		return Param{Name: name, Type: Reference, Path: path, Target: targets, Use: Leading}
	}
	date           = func(name, path string) Param { return Param{Name: name, Type: Date, Path: path} }
	text           = func(name, path string) Param { return Param{Name: name, Type: String, Path: path} }
	genderIdentity = concept("gender-identity", "extension(http://hl7.org/fhir/StructureDefinition/individual-genderIdentity).extension(value).valueCodeableConcept")

	uri = func(name, path string) Param { return Param{Name: name, Type: URI, Path: path} }
)

// common has the parameters of all types but _id, which is a column of the store (FHIR R4 search.html#all).
var common = []Param{
	date("_lastUpdated", "meta.lastUpdated"), uri("_profile", "meta.profile"), concept("_security", "meta.security"), uri("_source", "meta.source"),
	checked(concept("_tag", "meta.tag")),
}

// combined has pairs of a reference and a code that are asked for together, where many resources share either: they have
// keys of their own.
var combined = map[string][][2]string{
	"Task": {{"owner", "status"}},
}

// params has every resource type of R4, with its parameters of FHIR R4 searchparameter-registry.html as far as they
// are served. Where the registry's patient is any reference that resolves to a Patient, Target says so.
var params = map[string][]Param{
	"Account":            {identifier, patientBy("subject")},
	"ActivityDefinition": {identifier},
	"AdverseEvent":       {identifier},
	"AllergyIntolerance": {identifier, patientBy("patient"),
		concept("clinical-status", "clinicalStatus")},
	"Appointment":         {identifier},
	"AppointmentResponse": {identifier},
	"AuditEvent": {checked(code("action", "action", "http://hl7.org/fhir/audit-event-action")), date("date", "recorded"),
		patientBy("agent.who|entity.what"), concept("subtype", "subtype")},
	"Basic":                      {identifier, patientBy("subject")},
	"Binary":                     {},
	"BiologicallyDerivedProduct": {identifier},
	"BodyStructure":              {identifier, patientBy("patient")},
	"Bundle":                     {identifier},
	"CapabilityStatement":        {},
	"CarePlan":                   {identifier, patientBy("subject")},
	"CareTeam":                   {identifier, patientBy("subject")},
	"CatalogEntry":               {identifier},
	"ChargeItem":                 {identifier, patientBy("subject")},
	"ChargeItemDefinition":       {identifier},
	"Claim":                      {identifier, patientBy("patient")},
	"ClaimResponse":              {identifier, patientBy("patient")},
	"ClinicalImpression":         {identifier, patientBy("subject")},
	"CodeSystem":                 {identifier},
	"Communication":              {identifier, patientBy("subject")},
	"CommunicationRequest": {identifier, patientBy("subject"),
		date("authored", "authoredOn"), link("based-on", "basedOn"), checked(concept("category", "category")), link("encounter", "encounter", "Encounter"),
		leading(concept("group-identifier", "groupIdentifier")), checked(concept("medium", "medium")), date("occurrence", "occurrenceDateTime"),
		checked(code("priority", "priority", priorities)),
		link("recipient", "recipient", "PractitionerRole", "Group", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "Practitioner", "RelatedPerson"),
		link("replaces", "replaces", "CommunicationRequest"),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		link("sender", "sender", "PractitionerRole", "Organization", "Device", "Patient", "HealthcareService", "Practitioner", "RelatedPerson"),
		checked(code("status", "status", requestStatus)), link("subject", "subject", "Group", "Patient")},
	"CompartmentDefinition": {},
	"Composition":           {identifier, patientBy("subject")},
	"ConceptMap":            {identifier},
	"Condition": {identifier, patientBy("subject"),
		concept("category", "category"), concept("clinical-status", "clinicalStatus"), concept("code", "code"), date("onset-date", "onsetDateTime|onsetPeriod")},
	"Consent":                     {identifier, patientBy("patient")},
	"Contract":                    {identifier},
	"Coverage":                    {identifier, patientBy("beneficiary")},
	"CoverageEligibilityRequest":  {identifier, patientBy("patient")},
	"CoverageEligibilityResponse": {identifier, patientBy("patient")},
	"DetectedIssue":               {identifier, patientBy("patient")},
	"Device":                      {identifier, patientBy("patient")},
	"DeviceDefinition":            {identifier},
	"DeviceMetric":                {identifier},
	"DeviceRequest":               {identifier, patientBy("subject")},
	"DeviceUseStatement":          {identifier, patientBy("subject")},
	"DiagnosticReport":            {identifier, patientBy("subject")},
	"DocumentManifest":            {identifier, patientBy("subject")},
	"DocumentReference":           {identifier, patientBy("subject")},
	"EffectEvidenceSynthesis":     {identifier},
	"Encounter": {identifier, patientBy("subject"),
		concept("class", "class"), date("date", "period"), concept("discharge-disposition", "hospitalization.dischargeDisposition"),
		link("location", "location.location", "Location"), code("status", "status", "http://hl7.org/fhir/encounter-status")},
	"Endpoint":             {identifier},
	"EnrollmentRequest":    {identifier},
	"EnrollmentResponse":   {identifier},
	"EpisodeOfCare":        {identifier, patientBy("patient")},
	"EventDefinition":      {identifier},
	"Evidence":             {identifier},
	"EvidenceVariable":     {identifier},
	"ExampleScenario":      {identifier},
	"ExplanationOfBenefit": {identifier, patientBy("patient")},
	"FamilyMemberHistory":  {identifier, patientBy("patient")},
	"Flag":                 {identifier, patientBy("subject")},
	"Goal":                 {identifier, patientBy("subject")},
	"GraphDefinition":      {},
	"Group":                {identifier},
	"GuidanceResponse":     {identifier, patientBy("subject")},
	"HealthcareService": {identifier,
		leading(text("name", "name")), concept("service-type", "type")},
	"ImagingStudy": {identifier, patientBy("subject")},
	"Immunization": {identifier, patientBy("patient"),
		date("date", "occurrenceDateTime"), code("status", "status", eventStatus), concept("vaccine-code", "vaccineCode")},
	"ImmunizationEvaluation":     {identifier, patientBy("patient")},
	"ImmunizationRecommendation": {identifier, patientBy("patient")},
	"ImplementationGuide":        {},
	"InsurancePlan":              {identifier},
	"Invoice":                    {identifier, patientBy("subject")},
	"Library":                    {identifier},
	"Linkage":                    {},
	"List":                       {identifier, patientBy("subject")},
	"Location": {identifier,
		text("address", "address"), text("address-city", "address.city"), text("address-postalcode", "address.postalCode"),
		text("address-state", "address.state"), leading(text("name", "name|alias"))},
	"Measure":                  {identifier},
	"MeasureReport":            {identifier, patientBy("subject")},
	"Media":                    {identifier, patientBy("subject")},
	"Medication":               {identifier},
	"MedicationAdministration": {identifier, patientBy("subject")},
	"MedicationDispense":       {identifier, patientBy("subject")},
	"MedicationKnowledge":      {},
	"MedicationRequest": {identifier, patientBy("subject"),
		date("authoredon", "authoredOn"), code("intent", "intent", "http://hl7.org/fhir/CodeSystem/medicationrequest-intent"),
		link("medication", "medicationReference", "Medication"), code("status", "status", "http://hl7.org/fhir/CodeSystem/medicationrequest-status")},
	"MedicationStatement": {identifier, patientBy("subject"),
		date("effective", "effectiveDateTime|effectivePeriod"), link("medication", "medicationReference", "Medication"),
		code("status", "status", "http://hl7.org/fhir/CodeSystem/medication-statement-status")},
	"MedicinalProduct":                  {identifier},
	"MedicinalProductAuthorization":     {identifier},
	"MedicinalProductContraindication":  {},
	"MedicinalProductIndication":        {},
	"MedicinalProductIngredient":        {identifier},
	"MedicinalProductInteraction":       {},
	"MedicinalProductManufactured":      {},
	"MedicinalProductPackaged":          {identifier},
	"MedicinalProductPharmaceutical":    {identifier},
	"MedicinalProductUndesirableEffect": {},
	"MessageDefinition":                 {identifier},
	"MessageHeader":                     {},
	"MolecularSequence":                 {identifier, patientBy("patient")},
	"NamingSystem":                      {},
	"NutritionOrder":                    {identifier, patientBy("patient")},
	"Observation": {identifier, patientBy("subject"),
		concept("category", "category"), concept("code", "code"), date("date", "effectiveDateTime|effectivePeriod|effectiveTiming|effectiveInstant"),
		code("status", "status", "http://hl7.org/fhir/observation-status")},
	"ObservationDefinition": {identifier},
	"OperationDefinition":   {},
	"OperationOutcome":      {},
	"Organization": {identifier,
		text("address", "address"), leading(text("name", "name|alias"))},
	"OrganizationAffiliation": {identifier},
	"Parameters":              {},
	"Patient": {identifier,
		leading(date("birthdate", "birthDate")), leading(text("family", "name.family")), code("gender", "gender", "http://hl7.org/fhir/administrative-gender"),
		genderIdentity, concept("indigenous-status", "extension(http://hl7.org.au/fhir/StructureDefinition/indigenous-status).valueCoding"),
		leading(text("name", "name"))},
	"PaymentNotice":         {identifier},
	"PaymentReconciliation": {identifier},
	"Person": {identifier,
		genderIdentity},
	"PlanDefinition": {identifier},
	"Practitioner": {identifier,
		genderIdentity, leading(text("name", "name"))},
	"PractitionerRole": {identifier,
		genderIdentity, link("organization", "organization", "Organization"), link("practitioner", "practitioner", "Practitioner"),
		concept("role", "code"), concept("specialty", "specialty")},
	"Procedure": {identifier, patientBy("subject"),
		concept("code", "code"), date("date", "performedDateTime|performedPeriod"), code("status", "status", eventStatus)},
	"Provenance":            {},
	"Questionnaire":         {identifier},
	"QuestionnaireResponse": {identifier, patientBy("subject")},
	"RelatedPerson": {identifier, patientBy("patient"),
		genderIdentity, leading(text("name", "name")), concept("relationship", "relationship")},
	"RequestGroup":              {identifier},
	"ResearchDefinition":        {identifier},
	"ResearchElementDefinition": {identifier},
	"ResearchStudy":             {identifier},
	"ResearchSubject":           {identifier},
	"RiskAssessment":            {identifier, patientBy("subject")},
	"RiskEvidenceSynthesis":     {identifier},
	"Schedule":                  {identifier},
	"SearchParameter":           {},
	"ServiceRequest": {identifier, patientBy("subject"),
		date("authored", "authoredOn"), link("based-on", "basedOn", "CarePlan", "MedicationRequest", "ServiceRequest"),
		checked(concept("body-site", "bodySite")), checked(concept("category", "category")), checked(concept("code", "code")),
		link("encounter", "encounter", "Encounter"), {Name: "instantiates-canonical", Type: Reference, Path: "instantiatesCanonical"},
		uri("instantiates-uri", "instantiatesUri"), checked(code("intent", "intent", requestIntent)), date("occurrence", "occurrenceDateTime|occurrencePeriod|occurrenceTiming"),
		link("performer", "performer", "Practitioner", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "PractitionerRole", "RelatedPerson"),
		checked(concept("performer-type", "performerType")), checked(code("priority", "priority", priorities)), link("replaces", "replaces", "ServiceRequest"),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		leading(concept("requisition", "requisition")), link("specimen", "specimen", "Specimen"), checked(code("status", "status", requestStatus)),
		link("subject", "subject", "Group", "Device", "Patient", "Location"), link("supporting-info", "supportingInfo")},
	"Slot":                          {identifier},
	"Specimen":                      {identifier, patientBy("subject")},
	"SpecimenDefinition":            {identifier},
	"StructureDefinition":           {identifier},
	"StructureMap":                  {identifier},
	"Subscription":                  {},
	"Substance":                     {identifier},
	"SubstanceNucleicAcid":          {},
	"SubstancePolymer":              {},
	"SubstanceProtein":              {},
	"SubstanceReferenceInformation": {},
	"SubstanceSourceMaterial":       {},
	"SubstanceSpecification":        {identifier},
	"SupplyDelivery":                {identifier, patientBy("patient")},
	"SupplyRequest":                 {identifier},
	"Task": {identifier, patientBy("for"),
		date("authored-on", "authoredOn"), link("based-on", "basedOn"), checked(concept("business-status", "businessStatus")), checked(concept("code", "code")),
		link("encounter", "encounter", "Encounter"), link("focus", "focus"), leading(concept("group-identifier", "groupIdentifier")),
		checked(code("intent", "intent", requestIntent)), date("modified", "lastModified"),
		link("owner", "owner", "Practitioner", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "PractitionerRole", "RelatedPerson"),
		link("part-of", "partOf", "Task"), checked(concept("performer", "performerType")), date("period", "executionPeriod"),
		checked(code("priority", "priority", priorities)),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		checked(code("status", "status", "http://hl7.org/fhir/task-status")), link("subject", "for")},
	"TerminologyCapabilities": {},
	"TestReport":              {identifier},
	"TestScript":              {identifier},
	"ValueSet":                {identifier},
	"VerificationResult":      {},
	"VisionPrescription":      {identifier, patientBy("patient")},
}

// Params returns the parameters of a resource type, without those that all types have such as _id, and whether the
// type is served at all.
func Params(resourceType string) ([]Param, bool) {
	p, ok := params[resourceType]
	return p, ok
}

// Common returns the parameters that all types have beside _id.
func Common() []Param { return common }

// Lookup returns the parameter of a resource type by its name.
func Lookup(resourceType, name string) (Param, bool) {
	for p := range all(resourceType) {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// all yields the parameters of a resource type, then the common ones.
func all(resourceType string) iter.Seq[Param] {
	return func(yield func(Param) bool) {
		for _, list := range [][]Param{params[resourceType], common} {
			for _, p := range list {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// Types returns the resource types that are served, sorted.
func Types() []string { return slices.Sorted(maps.Keys(params)) }
