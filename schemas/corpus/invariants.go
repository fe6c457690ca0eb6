package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// invariant breaks a rule for which breaks knows a way. source is the canonical URL of the definition that states it.
func (b *breaker) invariant(pointer, path string, i profile.Invariant, source string) {
	edits, found := breaks[i.Expression]
	if !found {
		edits, found = breaks[i.Key]
	}
	if !found || !b.decidable(i.Expression) {
		return
	}
	var patch []Edit
	for _, e := range edits {
		at, found := b.follow(pointer, e.Path)
		switch {
		case e.Op == "remove" && !found:
			continue
		case !found && e.Op == "replace":
			return
		}
		patch = append(patch, Edit{e.Op, at, e.Value})
	}
	if len(patch) == 0 {
		return
	}
	b.add("invariant", "breaks "+i.Key+": "+path,
		Want{Severity: i.Severity, Code: "invariant", Expression: path, Rule: i.Key, Source: source}, patch...)
}

// decidable tells an expression that asks for no value set but those whose members are all held.
func (b *breaker) decidable(expression string) bool {
	for _, after := range strings.Split(expression, "memberOf('")[1:] {
		valueSet, _, _ := strings.Cut(after, "'")
		if set := b.valueSets[valueSet]; set == nil || set.Partial {
			return false
		}
	}
	return true
}

// number breaks an invariant of an identifier's profile by a wrong number.
func (b *breaker) number(s spot, p *profile.Profile, key string) {
	if wrong := numbers(p.URL).wrong[key]; wrong != "" {
		b.add("identifier", "breaks "+key+": "+s.path,
			Want{Code: "invariant", Expression: s.path, Rule: key, Source: p.URL}, replace(s.pointer+"/value", wrong))
	}
}

// follow returns the JSON Pointer that path leads to from pointer, and whether something is there. A step may be
// value[x], for what stands for a choice, {name}, for the extension whose url ends so, or resolve(), which follows a
// reference to what is contained.
func (b *breaker) follow(pointer, path string) (string, bool) {
	for _, step := range strings.Split(path, "/")[1:] {
		object, _ := b.at(pointer).(map[string]any)
		if pointer == "" {
			object = b.instance
		}
		next := step
		switch {
		case step == "resolve()":
			reference, _ := object["reference"].(string)
			pointer = "/contained/" + strings.TrimPrefix(reference, "#c")
			continue
		case strings.HasPrefix(step, "{"):
			items, _ := b.at(pointer).([]any)
			next = strconv.Itoa(slices.IndexFunc(items, func(item any) bool {
				url, _ := item.(map[string]any)["url"].(string)
				return strings.HasSuffix(url, strings.Trim(step, "{}"))
			}))
		case strings.HasSuffix(step, "[x]"):
			for _, name := range slices.Sorted(maps.Keys(object)) {
				if strings.HasPrefix(name, strings.TrimSuffix(step, "[x]")) {
					next = name
				}
			}
		}
		pointer += "/" + next
	}
	return pointer, pointer == "" || b.at(pointer) != nil
}

// concept is a CodeableConcept of one code.
func concept(system, code string) map[string]any {
	return map[string]any{"coding": []any{map[string]any{"system": system, "code": code}}}
}

// foreignSex uses a code of no value set in a part of individual-recordedSexOrGender.
func foreignSex(part string) []Edit {
	return []Edit{replace("/extension/{individual-recordedSexOrGender}/extension/{"+part+"}/valueCodeableConcept", concept("http://example.org/codes", "other"))}
}

const (
	v20203      = "http://terminology.hl7.org.au/CodeSystem/v2-0203"
	resourceTag = "http://terminology.hl7.org.au/CodeSystem/resource-tag"
	condition   = "http://terminology.hl7.org/CodeSystem/condition-"
	allergy     = "http://terminology.hl7.org/CodeSystem/allergyintolerance-"
)

// breaks are the edits that break an invariant, by its expression or, where no other rule has it, its key. Paths are
// from the element that has the rule; what is to be removed need not be there.
var breaks = map[string][]Edit{
	// AU Base's warnings about recorded sex or gender: the same of a Patient, a Practitioner and a RelatedPerson.
	"inv-pat-3": foreignSex("type"), "inv-pra-2": foreignSex("type"), "inv-relper-2": foreignSex("type"),
	"inv-pat-4": foreignSex("sourceDocument"), "inv-pra-3": foreignSex("sourceDocument"), "inv-relper-3": foreignSex("sourceDocument"),
	"inv-pat-5": foreignSex("jurisdiction"), "inv-pra-4": foreignSex("jurisdiction"), "inv-relper-4": foreignSex("jurisdiction"),
	"inv-pat-6": foreignSex("source"), "inv-pra-5": foreignSex("source"), "inv-relper-5": foreignSex("source"),

	// FHIR R4: datatypes.
	"att-1":  {remove("/contentType")},
	"cpt-2":  {remove("/system")},
	"per-1":  {replace("/end", "2020-12-31")},
	"qty-3":  {remove("/system")},
	"ref-1":  {replace("/reference", "#missing")},
	"rng-2":  {put("/high", map[string]any{"value": 0.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"})},
	"rat-1":  {remove("/denominator")},
	"sqty-1": {put("/comparator", "<")},
	"tim-1":  {put("/duration", 1), remove("/durationUnit")},
	"tim-2":  {put("/period", 1), remove("/periodUnit")},
	"tim-4":  {put("/duration", -1)},
	"tim-5":  {put("/period", -1)},

	// FHIR R4: resources.
	"ait-1":  {remove("/clinicalStatus")},
	"ait-2":  {put("/verificationStatus", concept(allergy+"verification", "entered-in-error"))},
	"bdl-1":  {put("/total", 1)},
	"bdl-2":  {put("/entry/0/search", map[string]any{"mode": "match"})},
	"bdl-3":  {put("/entry/0/request", map[string]any{"method": "POST", "url": "Composition"})},
	"bdl-4":  {put("/entry/0/response", map[string]any{"status": "200"})},
	"bdl-7":  {replace("/entry/1/fullUrl", "urn:uuid:00000000-0000-4000-8000-000000000000")},
	"bdl-8":  {replace("/fullUrl", "http://example.org/fhir/Patient/1/_history/2")},
	"bdl-9":  {remove("/identifier/system")},
	"bdl-10": {remove("/timestamp")},
	"bdl-11": {remove("/entry/0")},
	"cmp-1":  {remove("/text"), remove("/entry"), remove("/section")},
	"cmp-2":  {put("/emptyReason", map[string]any{"text": "Synthetic"}), put("/entry", []any{map[string]any{"display": "Synthetic"}})},
	"con-1":  {replace("", map[string]any{"type": map[string]any{"text": "Synthetic"}})},
	"con-2":  {replace("", map[string]any{"id": "a", "extension": []any{map[string]any{"url": "http://example.org/a", "valueString": "a"}}})},
	"con-3": {remove("/clinicalStatus"), remove("/abatement[x]"),
		put("/category", []any{concept(condition+"category", "problem-list-item")})},
	"con-4": {put("/abatementString", "last year"), replace("/clinicalStatus", concept(condition+"clinical", "active"))},
	"con-5": {put("/verificationStatus", concept(condition+"ver-status", "entered-in-error"))},
	"inv-1": {put("/lastModified", "2020-12-31T09:30:00Z")},
	"lst-1": {put("/emptyReason", map[string]any{"text": "Synthetic"})},
	"lst-2": {put("/mode", "snapshot"), put("/entry/0/deleted", true)},
	"lst-3": {put("/mode", "snapshot"), put("/entry/0/date", "2026-01-31")},
	"obs-3": {remove("/low"), remove("/high"), remove("/text"), put("/type", map[string]any{"text": "Synthetic"})},
	"obs-6": {put("/dataAbsentReason", map[string]any{"text": "Synthetic"})},
	"org-1": {remove("/name"), remove("/identifier")},
	"org-2": {put("/use", "home")},
	"org-3": {put("/use", "home")},
	"pat-1": {remove("/name"), remove("/telecom"), remove("/address"), remove("/organization")},
	"ppc-1": {remove("/policy"), remove("/policyRule")},
	"prr-1": {put("/orderDetail", []any{map[string]any{"text": "Synthetic"}}), remove("/code")},
	"txt-1": {replace("/div", `<div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div>`)},

	// R4's vital signs.
	"vs-1": {replace("", "2026")},
	"vs-2": {remove("/value[x]"), remove("/component"), remove("/hasMember"), remove("/dataAbsentReason")},
	"vs-3": {remove("/value[x]"), remove("/dataAbsentReason")},

	// AU Base.
	"inv-bodstr-0": {remove("/location"), remove("/description"), remove("/image")},
	"inv-idrout-0": {remove("/extension/{routability-preference}")},
	"inv-obs-0":    {remove("/value[x]"), remove("/component"), remove("/hasMember"), remove("/dataAbsentReason")},
	"inv-obs-1": {put("/bodySite", concept("http://snomed.info/sct", "66754008")), put("/extension", []any{map[string]any{
		"url": "http://hl7.org/fhir/StructureDefinition/bodySite", "valueReference": map[string]any{"reference": "BodyStructure/example"}}})},
	"inv-pat-0": {replace("/birthDate", "2026-01-30")},

	// AU Core.
	"au-core-pat-01":    {replace("/identifier", []any{map[string]any{"type": map[string]any{"text": "Synthetic"}}})},
	"au-core-pat-02":    {replace("/name", []any{map[string]any{"text": "Synthetic Example"}})},
	"au-core-pat-03":    {replace("", map[string]any{"use": "official"})},
	"au-core-relper-01": {remove("/name"), remove("/relationship")},
	"au-core-relper-02": {replace("/name", []any{map[string]any{"use": "official"}})},
	"au-core-loc-01":    {remove("/address"), remove("/type"), remove("/identifier")},
	"au-core-prarol-01": {replace("", map[string]any{"type": "Practitioner"})},
	"au-core-org-01": {replace("", map[string]any{"type": concept(v20203, "NOI"),
		"system": "http://example.org/identifiers", "value": "1"})},
	"au-core-medreq-01": {replace("", "2026-01")},
	"au-core-obs-02":    {replace("", "2026-01")},
	"(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())": {
		remove("/value[x]"), remove("/component"), remove("/hasMember"), remove("/dataAbsentReason")},
	"dataAbsentReason.exists() or value.exists()": {remove("/value[x]"), remove("/dataAbsentReason")},
	"value.exists() or dataAbsentReason.exists()": {remove("/value[x]"), remove("/dataAbsentReason")},
	"coding.exists() implies coding.where(system='http://snomed.info/sct').exists()": {
		replace("", concept("http://example.org/codes", "other"))},

	// AU eRequesting.
	"au-ereq-srr-01":    {replace("", "2026-01")},
	"au-ereq-srr-02":    {replace("/resolve()/value[x]", concept("http://snomed.info/sct", "60001007"))},
	"au-ereq-taskcr-01": {put("/meta/tag/-", map[string]any{"system": resourceTag, "code": "fulfilment-task-group"})},
	"au-ereq-taskdr-01": {put("/meta/tag/-", map[string]any{"system": resourceTag, "code": "fulfilment-task-group"})},
	"au-ereq-taskgr-01": {put("/meta/tag/-", map[string]any{"system": resourceTag, "code": "fulfilment-task"})},

	// AU Patient Summary and the International Patient Summary.
	"bdl-ips-1":  {put("/entry/-", map[string]any{"fullUrl": "http://example.org/fhir/Composition/other", "resource": map[string]any{"resourceType": "Composition", "id": "other"}})},
	"ips-comp-1": {remove("/entry"), remove("/emptyReason")},
	"ips-pat-1":  {replace("", map[string]any{"use": "official"})},
}
