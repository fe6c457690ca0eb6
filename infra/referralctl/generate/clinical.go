package generate

import (
	"encoding/json"
	"strconv"
	"time"
)

// kinds are the clinical resources in the order in which a referral grows.
var kinds = [...]func(*draft) (string, any){
	(*draft).condition, (*draft).medication, (*draft).bloodPressure, (*draft).allergy, (*draft).result,
	(*draft).medication, (*draft).condition, (*draft).vitalSign, (*draft).result, (*draft).procedure, (*draft).immunization,
}

// addClinical adds the clinical resource number i. The first one is the condition that the referral is about.
func (d *draft) addClinical(i int) {
	resourceType, resource := kinds[i%len(kinds)](d)
	url := d.fullURL()
	d.clinical = append(d.clinical, create(url, resourceType, resource))
	d.supporting = append(d.supporting, reference{Reference: url})
}

// past returns a day up to years before the referral.
func (d *draft) past(years int) time.Time { return d.authored.AddDate(0, 0, -d.between(1, 365*years)) }

func (d *draft) condition() (string, any) {
	code := sct(d.reason.code, d.reason.display)
	if len(d.clinical) > 0 {
		code = pick(d.Generator, problems)
	}
	onset := d.past(12)
	return "Condition", condition{
		ResourceType: "Condition", Meta: profiled("condition"),
		ClinicalStatus:     hl7Code("condition-clinical", "active"),
		VerificationStatus: hl7Code("condition-ver-status", "confirmed"),
		Category:           []concept{hl7Code("condition-category", "problem-list-item")},
		Code:               concept{Coding: []coding{code}}, Subject: d.toPatient(),
		OnsetDateTime: date(onset), RecordedDate: date(onset), Recorder: d.toRequesterRole(),
	}
}

func (d *draft) allergy() (string, any) {
	a := pick(d.Generator, allergies)
	return "AllergyIntolerance", allergyIntolerance{
		ResourceType: "AllergyIntolerance", Meta: profiled("allergyintolerance"),
		ClinicalStatus:     hl7Code("allergyintolerance-clinical", "active"),
		VerificationStatus: hl7Code("allergyintolerance-verification", "confirmed"),
		Type:               "allergy", Category: []string{a.category}, Criticality: pick(d.Generator, []string{"low", "high"}),
		Code: concept{Coding: []coding{a.substance}}, Patient: d.toPatient(),
		OnsetDateTime: strconv.Itoa(d.patient.birth.Year() + d.between(2, 18)), Recorder: d.toRequesterRole(),
		Reaction: []reaction{{
			Manifestation: []concept{{Coding: []coding{pick(d.Generator, manifestations)}}},
			Severity:      pick(d.Generator, []string{"mild", "moderate", "severe"}),
		}},
	}
}

func (d *draft) medication() (string, any) {
	m := pick(d.Generator, medicines)
	c := concept{Text: m.text}
	if m.code.Code != "" {
		c.Coding = []coding{m.code}
	}
	return "MedicationStatement", medicationStatement{
		ResourceType: "MedicationStatement", Meta: profiled("medicationstatement"), Status: "active",
		MedicationCodeableConcept: c, Subject: d.toPatient(), EffectivePeriod: period{date(d.past(6))},
		DateAsserted: dateTime(d.authored), InformationSource: d.toRequesterRole(), Dosage: []dosage{{m.dosage}},
	}
}

func (d *draft) bloodPressure() (string, any) {
	systolic := d.between(104, 172)
	o := d.observation("bloodpressure", "vital-signs", concept{
		Coding: []coding{{loinc, "85354-9", "Blood pressure panel with all children optional"}, {System: snomed, Code: "75367002"}},
		Text:   "Blood pressure",
	})
	part := func(code, snomedCode, display string, value int) component {
		return component{
			Code:          concept{Coding: []coding{{loinc, code, display}, {System: snomed, Code: snomedCode}}, Text: display},
			ValueQuantity: quantity{json.Number(strconv.Itoa(value)), "mmHg", ucum, "mm[Hg]"},
		}
	}
	o.Component = []component{
		part("8480-6", "271649006", "Systolic blood pressure", systolic),
		part("8462-4", "271650006", "Diastolic blood pressure", systolic-d.between(34, 62)),
	}
	return "Observation", o
}

func (d *draft) vitalSign() (string, any) {
	v := pick(d.Generator, vitalSigns)
	o := d.observation(v.profile, "vital-signs", concept{
		Coding: []coding{{loinc, v.code, v.display}, {System: snomed, Code: v.snomed}}, Text: v.display,
	})
	q := v.measured.sample(d.Generator)
	o.ValueQuantity = &q
	return "Observation", o
}

func (d *draft) result() (string, any) {
	r := pick(d.Generator, results)
	o := d.observation("diagnosticresult-path", "laboratory", concept{
		Coding: []coding{{loinc, r.code, r.display}}, Text: r.text,
	})
	o.Category = append(o.Category, concept{Coding: []coding{r.discipline}})
	o.Performer = []reference{{Display: d.recipientTown.name + " Pathology"}}
	q := r.measured.sample(d.Generator)
	o.ValueQuantity = &q
	o.ReferenceRange = []referenceRange{{r.measured.quantity(r.low), r.measured.quantity(r.high)}}
	return "Observation", o
}

// observation returns a final one, made some minutes before the referral was written.
func (d *draft) observation(profile, category string, code concept) observation {
	return observation{
		ResourceType: "Observation", Meta: profiled(profile), Status: "final",
		Category: []concept{hl7Code("observation-category", category)}, Code: code, Subject: d.toPatient(),
		EffectiveDateTime: dateTime(d.authored.Add(-time.Duration(d.between(5, 60*24*30)) * time.Minute)),
		Performer:         []reference{d.toRequesterRole()},
	}
}

func (d *draft) procedure() (string, any) {
	return "Procedure", procedure{
		ResourceType: "Procedure", Meta: profiled("procedure"), Status: "completed",
		Code: concept{Coding: []coding{pick(d.Generator, procedures)}}, Subject: d.toPatient(),
		PerformedDateTime: date(d.past(10)), Recorder: d.toRequesterRole(),
	}
}

func (d *draft) immunization() (string, any) {
	return "Immunization", immunization{
		ResourceType: "Immunization", Meta: profiled("immunization"), Status: "completed",
		VaccineCode: concept{Coding: []coding{pick(d.Generator, vaccines)}}, Patient: d.toPatient(),
		OccurrenceDateTime: date(d.past(3)), PrimarySource: true, LotNumber: string(d.digits([]byte("LOT"), 6)),
	}
}

// measured is a quantity between least and most, in units of 10^-decimals.
type measured struct {
	least, most, decimals int
	unit, code            string
}

func (m measured) sample(g *Generator) quantity { return m.quantity(g.between(m.least, m.most)) }

func (m measured) quantity(n int) quantity {
	text := strconv.Itoa(n)
	if m.decimals > 0 {
		for len(text) <= m.decimals {
			text = "0" + text
		}
		text = text[:len(text)-m.decimals] + "." + text[len(text)-m.decimals:]
	}
	return quantity{json.Number(text), m.unit, ucum, m.code}
}
