package search_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// TestCriterionOfEachKind has a hit and a non-hit of every type of parameter and every modifier. What the index does not
// lead to, a criterion that the index knows must not match.
func TestCriterionOfEachKind(t *testing.T) {
	const (
		patient = `{"resourceType":"Patient","meta":{"lastUpdated":"2026-11-23T01:02:03.456Z","tag":[{"system":"s","code":"t"}],"profile":["http://example.org/p"]},` +
			`"extension":[{"url":"http://example.org/other","valueCoding":{"code":"9"}},` +
			`{"url":"http://hl7.org.au/fhir/StructureDefinition/indigenous-status","valueCoding":{"system":"i","code":"1"}},` +
			`{"url":"http://hl7.org/fhir/StructureDefinition/individual-genderIdentity","extension":[{"url":"value","valueCodeableConcept":{"coding":[{"code":"nb"}],"text":"Non-binary"}}]}],` +
			`"name":[{"family":"O’Brien-Søren","given":["Zoë","Mary  Anne"],"prefix":["Dr"]}],"gender":"female","birthDate":"1984-02-29"}`
		year      = `{"resourceType":"Patient","birthDate":"1984"}`
		encounter = `{"resourceType":"Encounter","status":"finished","class":{"system":"c","code":"AMB","display":"Ambulatory"},"period":{"start":"2026-05-10T09:00:00+10:00","end":"2026-05-12"}}`
		open      = `{"resourceType":"Encounter","status":"in-progress","period":{"start":"2026-05-10"}}`
		location  = `{"resourceType":"Location","name":"Ward 7 West","alias":["Cardiac"],"address":{"line":["1 High St"],"city":"Mount Isa","state":"QLD","postalCode":"4825"}}`
		request   = `{"resourceType":"ServiceRequest","instantiatesUri":["http://example.org/protocol"],"instantiatesCanonical":["http://example.org/PlanDefinition/1|2"],` +
			`"occurrenceTiming":{"event":["2026-01-05","2026-03-05"]},"code":{"coding":[{"system":"sct","code":"1","display":"Echocardiogram"}],"text":"Echo of the heart"},` +
			`"status":"active","subject":{"reference":"Patient/` + patientID + `"},"requester":{"identifier":{"system":"hpii","value":"8003"}},"supportingInfo":[{"reference":"Observation/` + otherID + `"}]}`
	)
	for _, test := range []struct{ resource, param, hit, miss string }{
		{patient, "_lastUpdated", "2026-11-23", "2026-11-24"},
		{patient, "_lastUpdated", "gt2026-11-23T01:02:03.455Z", "gt2026-11-23T01:02:03.456Z"},
		{patient, "_lastUpdated", "ge2026-11-23T12:02:03.456+11:00", "lt2026-11-23T12:02:03.456 11:00"},
		{patient, "_tag", "s|t", "t|s"},
		{patient, "_tag:missing", "false", "true"},
		{patient, "_profile", "http://example.org/p", "http://example.org/"},
		{patient, "_security:missing", "true", "false"},
		{patient, "indigenous-status", "i|1", "9"},
		{patient, "gender-identity", "nb", "female"},
		{patient, "gender-identity:text", "non-b", "binary"},
		{patient, "gender", "female", "male"},
		{patient, "gender", "http://hl7.org/fhir/administrative-gender|female", "|female"},
		{patient, "gender", "http://hl7.org/fhir/administrative-gender|", "http://example.org|"},
		{patient, "gender:not", "male", "female"},
		{patient, "gender:not", "male,other", "other,female"},
		{year, "gender:not", "male", ""},
		{year, "gender:missing", "true", "false"},
		{patient, "family", "o’brien", "brien"},
		{patient, "family", "O’BRIEN-søren", "O’Brien-Sørensen"},
		{patient, "family:contains", "brien", "obrien"},
		{patient, "family:exact", "O’Brien-Søren", "o’brien-søren"},
		{patient, "name", "zoe", "oe"},
		{patient, "name", "MARY anne", "anne"},
		{patient, "name", "x,dr", "x,y"},
		{patient, "birthdate", "1984-02-29", "1984-03-01"},
		{patient, "birthdate", "1984-02", "1984-03"},
		{patient, "birthdate", "1984", "1985"},
		{patient, "birthdate", "ne1985", "ne1984"},
		{patient, "birthdate", "gt1984-01", "gt1984-02"},
		{patient, "birthdate", "gt1984-02-28", "gt1984-02-29"},
		{patient, "birthdate", "le1984-02-29", "lt1984-02-29"},
		{patient, "birthdate", "sa1984-02-28", "sa1984-02-29"},
		{patient, "birthdate", "eb1984-03-01", "eb1984-02-29"},
		{patient, "birthdate", "ap1986", "ap2020"},
		{patient, "birthdate", "1990,1984-02-29", "1990,1991"},
		{year, "birthdate", "1984", "1984-02"},
		{year, "birthdate", "ge1984-06", "sa1984-06"},
		{encounter, "date", "2026-05", "2026-05-10"},
		{encounter, "date", "ge2026-05-11", "gt2026-05-12"},
		{encounter, "date", "sa2026-05-08", "sa2026-05-10"},
		{encounter, "date", "lt2026-05-10", "lt2026-05-09"},
		{open, "date", "gt2030", "eb2030"},
		{open, "date", "ne2026", "2026"},
		{encounter, "class", "c|AMB", "c|IMP"},
		{encounter, "class:text", "ambul", "latory"},
		{encounter, "status", "finished", "planned"},
		{location, "name", "cardiac", "west"},
		{location, "address", "4825", "825"},
		{location, "address", "mount isa", "isa"},
		{location, "address-city", "mount", "qld"},
		{location, "address-state:exact", "QLD", "qld"},
		{location, "address-postalcode", "48", "49"},
		{request, "instantiates-uri", "http://example.org/protocol", "http://example.org"},
		{request, "instantiates-canonical", "http://example.org/PlanDefinition/1|2", "http://example.org/PlanDefinition/2"},
		{request, "occurrence", "2026-03", "2026-02"},
		{request, "code:text", "echo of", "heart"},
		{request, "code:text", "echocardio", "cardio"},
		{request, "code:not", "2", "1"},
		{request, "code", "sct|", "|1"},
		{request, "subject:Patient", patientID, otherID},
		{request, "subject:Patient", "Patient/" + patientID, "Group/" + patientID},
		{request, "subject:Group", "", patientID},
		{request, "subject:missing", "false", "true"},
		{request, "requester:identifier", "hpii|8003", "8004"},
		{request, "requester:missing", "false", "true"},
		{request, "performer:missing", "true", "false"},
		{request, "supporting-info", "Observation/" + otherID, "Observation/" + patientID},
		{request, "supporting-info", otherID, patientID},
	} {
		resource := parse(t, test.resource)
		keys := index(resource)
		for value, want := range map[string]bool{test.hit: true, test.miss: false} {
			if value == "" {
				continue
			}
			c := criterion(t, resource.ResourceType(), test.param, value)
			if got := c.Match(resource); got != want {
				t.Errorf("%s %s=%s: got %v, want %v", resource.ResourceType(), test.param, value, got, want)
			}
			if want && c.Use != search.Unindexed && !found(c, keys) {
				t.Errorf("%s %s=%s fits, and the index does not lead to it", resource.ResourceType(), test.param, value)
			}
		}
	}
}

// TestLeadingCriteriaAreInTheIndex: with the mechanism gone, in which nothing is in the index, the test above would pass.
func TestLeadingCriteriaAreInTheIndex(t *testing.T) {
	for name, value := range map[string]string{
		"birthdate": "1984", "family": "smi", "name": "smith", "family:exact": "Smith", "identifier": "s|1", "_tag": "s|t",
	} {
		if c := criterion(t, "Patient", name, value); c.Use == search.Unindexed || len(c.Keys) != 1 {
			t.Errorf("%s=%s: got use %v and %d keys", name, value, c.Use, len(c.Keys))
		}
	}
	smith := index(parse(t, `{"resourceType":"Patient","name":[{"family":"Smith"}]}`))
	for value, want := range map[string]bool{"s": true, "smi": true, "smith": true, "smithers": false, "sn": false, "t": false} {
		if got := found(criterion(t, "Patient", "family", value), smith); got != want {
			t.Errorf("family=%s leads to Smith: got %v, want %v", value, got, want)
		}
	}
}

func TestPlan(t *testing.T) {
	const owner = "Organization/" + otherID
	task := func(name, value string) search.Criterion { return criterion(t, "Task", name, value) }
	for name, test := range map[string]struct {
		criteria     []search.Criterion
		lead, checks int
	}{
		"nothing":                      {nil, 0, 0},
		"a code that many share":       {[]search.Criterion{task("status", "requested")}, 0, 1},
		"a concept in any system":      {[]search.Criterion{task("code", "fulfill")}, 0, 0},
		"a date":                       {[]search.Criterion{task("modified", "ge2026")}, 0, 0},
		"a reference and a date":       {[]search.Criterion{task("focus", "ServiceRequest/"+otherID), task("modified", "ge2026")}, 1, 0},
		"a reference and a code":       {[]search.Criterion{task("focus", "ServiceRequest/"+otherID), task("status", "requested")}, 1, 1},
		"a token before a reference":   {[]search.Criterion{task("owner", owner), task("group-identifier", "s|1")}, 1, 1},
		"owner and status in one key":  {[]search.Criterion{task("owner", owner), task("status", "requested,accepted")}, 2, 1},
		"a token before owner, status": {[]search.Criterion{task("owner", owner), task("status", "requested"), task("identifier", "s|1")}, 1, 2},
		"not a status":                 {[]search.Criterion{task("owner", owner), task("status:not", "completed")}, 1, 0},
	} {
		p := search.MakePlan("Task", test.criteria)
		if len(p.Lead) != test.lead || len(p.Checks) != test.checks {
			t.Errorf("%s: got %d keys that lead, %d checks; want %d, %d", name, len(p.Lead), len(p.Checks), test.lead, test.checks)
		}
	}
	keys := index(parse(t, `{"resourceType":"Task","status":"requested","owner":{"reference":"`+owner+`"}}`))
	for value, want := range map[string]bool{"requested": true, "accepted": false} {
		p := search.MakePlan("Task", []search.Criterion{task("owner", owner), task("status", value)})
		if got := slices.Contains(keys, p.Lead[0].Low); got != want {
			t.Errorf("owner and status %s lead to the Task: got %v, want %v", value, got, want)
		}
	}
}

func TestSortKey(t *testing.T) {
	sorted := []string{
		`{"resourceType":"Patient","name":[{"family":"Åberg"}],"birthDate":"1901"}`,
		`{"resourceType":"Patient","name":[{"family":"adams"}],"birthDate":"1969-12-31"}`,
		`{"resourceType":"Patient","name":[{"family":"Smith"}],"birthDate":"1970-01-01"}`,
		`{"resourceType":"Patient","name":[{"family":"Smithers"}],"birthDate":"2020-02"}`,
	}
	for _, name := range []string{"family", "birthdate"} {
		p, _ := search.Lookup("Patient", name)
		var keys []string
		for _, text := range sorted {
			key, ok := search.SortKey(parse(t, text), p)
			if !ok {
				t.Fatalf("%s of %s: got no key", name, text)
			}
			keys = append(keys, key)
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(keys)), keys); diff != "" {
			t.Errorf("%s (-sorted +got):\n%s", name, diff)
		}
		if _, ok := search.SortKey(parse(t, `{"resourceType":"Patient"}`), p); ok {
			t.Errorf("%s of nothing: got a key", name)
		}
	}
}
