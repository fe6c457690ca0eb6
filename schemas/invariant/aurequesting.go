package invariant

const resourceTag = "http://terminology.hl7.org.au/CodeSystem/resource-tag"

// auRequestingRules are the rules of AU eRequesting (hl7.fhir.au.ereq).
func auRequestingRules() []rule {
	return []rule{
		{"au-ereq-srr-01", "$this.toString().length() >= 10", longer(10)},
		{"au-ereq-srr-02", "$this.resolve().value.coding.where(system = 'http://snomed.info/sct' and code = '77386006').exists()",
			resolved(coding("value[x].coding", snomed, "77386006"))},
		{"au-ereq-taskdr-01 au-ereq-taskcr-01", "meta.tag.where(system = 'http://terminology.hl7.org.au/CodeSystem/resource-tag' and code = 'fulfilment-task-group').empty()",
			not(coding("meta.tag", resourceTag, "fulfilment-task-group"))},
		{"au-ereq-taskgr-01", "meta.tag.where(system = 'http://terminology.hl7.org.au/CodeSystem/resource-tag' and code = 'fulfilment-task').empty()",
			not(coding("meta.tag", resourceTag, "fulfilment-task"))},
	}
}
