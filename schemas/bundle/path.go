package bundle

import "strings"

// choices are the elements of FHIR R4 whose property also names their type: valueReference is the element value.
var choices = []string{
	"abatement", "additive", "age", "allowed", "amount", "answer", "asNeeded", "author", "born", "bounds",
	"characteristic", "chargeItem", "code", "collected", "content", "created", "date", "deceased", "defaultValue",
	"definingSubstance", "definition", "detail", "diagnosis", "dose", "doseNumber", "due", "effective", "entity",
	"event", "example", "fastingStatus", "fixed", "identified", "indication", "item", "legallyBinding", "location",
	"manufacturer", "maxValue", "medication", "minValue", "minimumVolume", "module", "multipleBirth", "name",
	"occurred", "occurrence", "offset", "onset", "participantEffective", "pattern", "performed", "probability",
	"procedure", "product", "quantity", "rate", "reported", "scheduled", "seriesDoses", "serviced", "source", "start",
	"statusReason", "studyEffective", "subject", "substance", "target", "time", "timing", "topic", "used", "value",
	"when",
}

// choiceTypes are the types of choices, as they end the property's name.
const choiceTypes = " Address Age Annotation Attachment Base64Binary Boolean Canonical Code CodeableConcept Coding " +
	"ContactDetail ContactPoint Contributor Count DataRequirement Date DateTime Decimal Distance Dosage Duration " +
	"Expression HumanName Id Identifier Instant Integer Markdown Meta Money Oid ParameterDefinition Period PositiveInt " +
	"Quantity Range Ratio Reference RelatedArtifact SampledData Signature String Time Timing TriggerDefinition " +
	"UnsignedInt Uri Url UsageContext Uuid "

// noChoices are properties that only look like a choice's, in the resource type where they do.
const noChoices = " BiologicallyDerivedProduct.productCode ChargeItem.definitionCanonical ChargeItem.definitionUri " +
	"ClinicalImpression.itemCodeableConcept ClinicalImpression.itemReference Consent.dateTime Contract.effectiveTime " +
	"Device.valueCode Device.valueQuantity DeviceDefinition.valueCode DeviceDefinition.valueQuantity " +
	"GuidanceResponse.occurrenceDateTime ImagingStudy.procedureCode ImagingStudy.procedureReference " +
	"Immunization.doseQuantity MedicinalProduct.effectiveDate NutritionOrder.dateTime OperationDefinition.sourceId " +
	"Procedure.usedCode Procedure.usedReference ServiceRequest.locationCode ServiceRequest.locationReference " +
	"TestScript.sourceId TestScript.targetId VerificationResult.sourceSignature "

// definitional are the resources whose effectivePeriod is no effective[x].
const definitional = " ActivityDefinition ChargeItemDefinition EffectEvidenceSynthesis EventDefinition Evidence " +
	"EvidenceVariable Library Measure PlanDefinition Questionnaire ResearchDefinition ResearchElementDefinition " +
	"RiskEvidenceSynthesis "

// elementName returns the element that property stands for in a resource of a type (FHIR R4 fhirpath.html: the
// element value[x] is called value).
func elementName(resourceType, property string) string {
	for _, choice := range choices {
		typ, found := strings.CutPrefix(property, choice)
		if !found || typ == "" || !strings.Contains(choiceTypes, " "+typ+" ") {
			continue
		}
		if strings.Contains(noChoices, " "+resourceType+"."+property+" ") ||
			property == "effectivePeriod" && strings.Contains(definitional, " "+resourceType+" ") {
			return property
		}
		return choice
	}
	return property
}
