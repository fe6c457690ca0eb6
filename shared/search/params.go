package search

import (
	"maps"
	"slices"
)

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
	Few    bool     // Token: its values are few and many resources share one, so that no search starts from it
}

var (
	identifier = Param{Name: "identifier", Type: Token, Path: "identifier"}
	patientBy  = func(path string) Param {
		return Param{Name: "patient", Type: Reference, Path: path, Target: []string{"Patient"}}
	}
	code = func(name, path string) Param { return Param{Name: name, Type: Token, Path: path, Few: true} }
	link = func(name, path string, targets ...string) Param {
		return Param{Name: name, Type: Reference, Path: path, Target: targets}
	}
)

// params has every resource type of R4, with its parameters of FHIR R4 searchparameter-registry.html as far as they
// are served. Where the registry's patient is any reference that resolves to a Patient, Target says so.
var params = map[string][]Param{
	"Account":                    {identifier, patientBy("subject")},
	"ActivityDefinition":         {identifier},
	"AdverseEvent":               {identifier},
	"AllergyIntolerance":         {identifier, patientBy("patient")},
	"Appointment":                {identifier},
	"AppointmentResponse":        {identifier},
	"AuditEvent":                 {},
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
		link("based-on", "basedOn"), code("category", "category"), link("encounter", "encounter", "Encounter"),
		{Name: "group-identifier", Type: Token, Path: "groupIdentifier"}, code("medium", "medium"), code("priority", "priority"),
		link("recipient", "recipient", "PractitionerRole", "Group", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "Practitioner", "RelatedPerson"),
		link("replaces", "replaces", "CommunicationRequest"),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		link("sender", "sender", "PractitionerRole", "Organization", "Device", "Patient", "HealthcareService", "Practitioner", "RelatedPerson"),
		code("status", "status"), link("subject", "subject", "Group", "Patient")},
	"CompartmentDefinition":             {},
	"Composition":                       {identifier, patientBy("subject")},
	"ConceptMap":                        {identifier},
	"Condition":                         {identifier, patientBy("subject")},
	"Consent":                           {identifier, patientBy("patient")},
	"Contract":                          {identifier},
	"Coverage":                          {identifier, patientBy("beneficiary")},
	"CoverageEligibilityRequest":        {identifier, patientBy("patient")},
	"CoverageEligibilityResponse":       {identifier, patientBy("patient")},
	"DetectedIssue":                     {identifier, patientBy("patient")},
	"Device":                            {identifier, patientBy("patient")},
	"DeviceDefinition":                  {identifier},
	"DeviceMetric":                      {identifier},
	"DeviceRequest":                     {identifier, patientBy("subject")},
	"DeviceUseStatement":                {identifier, patientBy("subject")},
	"DiagnosticReport":                  {identifier, patientBy("subject")},
	"DocumentManifest":                  {identifier, patientBy("subject")},
	"DocumentReference":                 {identifier, patientBy("subject")},
	"EffectEvidenceSynthesis":           {identifier},
	"Encounter":                         {identifier, patientBy("subject")},
	"Endpoint":                          {identifier},
	"EnrollmentRequest":                 {identifier},
	"EnrollmentResponse":                {identifier},
	"EpisodeOfCare":                     {identifier, patientBy("patient")},
	"EventDefinition":                   {identifier},
	"Evidence":                          {identifier},
	"EvidenceVariable":                  {identifier},
	"ExampleScenario":                   {identifier},
	"ExplanationOfBenefit":              {identifier, patientBy("patient")},
	"FamilyMemberHistory":               {identifier, patientBy("patient")},
	"Flag":                              {identifier, patientBy("subject")},
	"Goal":                              {identifier, patientBy("subject")},
	"GraphDefinition":                   {},
	"Group":                             {identifier},
	"GuidanceResponse":                  {identifier, patientBy("subject")},
	"HealthcareService":                 {identifier},
	"ImagingStudy":                      {identifier, patientBy("subject")},
	"Immunization":                      {identifier, patientBy("patient")},
	"ImmunizationEvaluation":            {identifier, patientBy("patient")},
	"ImmunizationRecommendation":        {identifier, patientBy("patient")},
	"ImplementationGuide":               {},
	"InsurancePlan":                     {identifier},
	"Invoice":                           {identifier, patientBy("subject")},
	"Library":                           {identifier},
	"Linkage":                           {},
	"List":                              {identifier, patientBy("subject")},
	"Location":                          {identifier},
	"Measure":                           {identifier},
	"MeasureReport":                     {identifier, patientBy("subject")},
	"Media":                             {identifier, patientBy("subject")},
	"Medication":                        {identifier},
	"MedicationAdministration":          {identifier, patientBy("subject")},
	"MedicationDispense":                {identifier, patientBy("subject")},
	"MedicationKnowledge":               {},
	"MedicationRequest":                 {identifier, patientBy("subject")},
	"MedicationStatement":               {identifier, patientBy("subject")},
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
	"Observation":                       {identifier, patientBy("subject")},
	"ObservationDefinition":             {identifier},
	"OperationDefinition":               {},
	"OperationOutcome":                  {},
	"Organization":                      {identifier},
	"OrganizationAffiliation":           {identifier},
	"Parameters":                        {},
	"Patient":                           {identifier},
	"PaymentNotice":                     {identifier},
	"PaymentReconciliation":             {identifier},
	"Person":                            {identifier},
	"PlanDefinition":                    {identifier},
	"Practitioner":                      {identifier},
	"PractitionerRole":                  {identifier},
	"Procedure":                         {identifier, patientBy("subject")},
	"Provenance":                        {},
	"Questionnaire":                     {identifier},
	"QuestionnaireResponse":             {identifier, patientBy("subject")},
	"RelatedPerson":                     {identifier, patientBy("patient")},
	"RequestGroup":                      {identifier},
	"ResearchDefinition":                {identifier},
	"ResearchElementDefinition":         {identifier},
	"ResearchStudy":                     {identifier},
	"ResearchSubject":                   {identifier},
	"RiskAssessment":                    {identifier, patientBy("subject")},
	"RiskEvidenceSynthesis":             {identifier},
	"Schedule":                          {identifier},
	"SearchParameter":                   {},
	"ServiceRequest": {identifier, patientBy("subject"),
		link("based-on", "basedOn", "CarePlan", "MedicationRequest", "ServiceRequest"), code("body-site", "bodySite"), code("category", "category"),
		code("code", "code"), link("encounter", "encounter", "Encounter"), code("intent", "intent"),
		link("performer", "performer", "Practitioner", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "PractitionerRole", "RelatedPerson"),
		code("performer-type", "performerType"), code("priority", "priority"), link("replaces", "replaces", "ServiceRequest"),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		{Name: "requisition", Type: Token, Path: "requisition"}, link("specimen", "specimen", "Specimen"), code("status", "status"),
		link("subject", "subject", "Group", "Device", "Patient", "Location")},
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
		link("based-on", "basedOn"), code("business-status", "businessStatus"), code("code", "code"), link("encounter", "encounter", "Encounter"),
		link("focus", "focus"), {Name: "group-identifier", Type: Token, Path: "groupIdentifier"}, code("intent", "intent"),
		link("owner", "owner", "Practitioner", "Organization", "CareTeam", "Device", "Patient", "HealthcareService", "PractitionerRole", "RelatedPerson"),
		link("part-of", "partOf", "Task"), code("performer", "performerType"), code("priority", "priority"),
		link("requester", "requester", "Practitioner", "Organization", "Device", "Patient", "PractitionerRole", "RelatedPerson"),
		code("status", "status"), link("subject", "for")},
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

// Lookup returns the parameter of a resource type by its name.
func Lookup(resourceType, name string) (Param, bool) {
	for _, p := range params[resourceType] {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// Types returns the resource types that are served, sorted.
func Types() []string { return slices.Sorted(maps.Keys(params)) }
