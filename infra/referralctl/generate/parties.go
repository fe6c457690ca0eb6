package generate

// indigenousStatuses are the codes of AIHW METEOR 602543, the first most often.
var indigenousStatuses = []coding{
	{ncts + "australian-indigenous-status-1", "4", "Neither Aboriginal nor Torres Strait Islander origin"},
	{ncts + "australian-indigenous-status-1", "4", "Neither Aboriginal nor Torres Strait Islander origin"},
	{ncts + "australian-indigenous-status-1", "4", "Neither Aboriginal nor Torres Strait Islander origin"},
	{ncts + "australian-indigenous-status-1", "1", "Aboriginal but not Torres Strait Islander origin"},
	{ncts + "australian-indigenous-status-1", "2", "Torres Strait Islander but not Aboriginal origin"},
	{ncts + "australian-indigenous-status-1", "3", "Both Aboriginal and Torres Strait Islander origin"},
	{ncts + "australian-indigenous-status-1", "9", "Not stated/inadequately described"},
}

const (
	ncts   = "https://healthterminologies.gov.au/fhir/CodeSystem/"
	auBase = "http://hl7.org.au/fhir/StructureDefinition/"
)

func (d *draft) patientResource() patient {
	status := pick(d.Generator, indigenousStatuses)
	ihi := typed(v20203, "NI", "IHI", systemIHI, d.hiNumber(ihiPrefix))
	ihi.Extension = []extension{
		{auBase + "ihi-status", &coding{System: ncts + "ihi-status-1", Code: "active"}},
		{auBase + "ihi-record-status", &coding{System: ncts + "ihi-record-status-1", Code: "verified"}},
	}
	p := patient{
		ResourceType: "Patient", Meta: profiled("patient"), Active: true,
		Extension:  []extension{{auBase + "indigenous-status", &status}},
		Identifier: []identifier{*ihi, *typed(v20203, "MC", "Medicare card number", systemMedicare, d.medicare())},
		Name:       []humanName{d.patient.name()},
		Telecom:    []contactPoint{{"phone", pick(d.Generator, fictionMobiles), "mobile"}},
		Gender:     d.patient.gender, BirthDate: date(d.patient.birth),
		Address: []address{d.address("home", "both", pick(d.Generator, towns))},
	}
	p.Meta.Security = testData
	if d.patient.birth.Year() < 1960 && d.rand.IntN(8) == 0 {
		p.Identifier = append(p.Identifier, *typed(au0203, "DVG", "DVA number", systemDVA, d.dva()))
	}
	return p
}

func practitionerResource(p person, number, prefix string) practitioner {
	return practitioner{
		ResourceType: "Practitioner", Meta: profiled("practitioner"), Identifier: []identifier{*hpii(number)}, Active: true,
		Name: []humanName{p.name(prefix)},
	}
}

func (d *draft) requesterRole() practitionerRole {
	return practitionerRole{
		ResourceType: "PractitionerRole", Meta: profiled("practitionerrole"),
		Identifier: []identifier{*providerNumber(d.requesterNumber)}, Active: true,
		Practitioner: d.to(theRequester, hpii(d.requesterHPII), d.requester.display("Dr")), Organization: d.toSender(),
		Code:    []concept{coded(snomed, "62247001", "General practitioner")},
		Telecom: contacts(d.senderTelephone, "doctors@", d.senderMailDomain),
	}
}

func (d *draft) specialistRole() practitionerRole {
	return practitionerRole{
		ResourceType: "PractitionerRole", Meta: profiled("practitionerrole"),
		Identifier: []identifier{*providerNumber(d.specialistNumber)}, Active: true,
		Practitioner: d.to(theSpecialist, hpii(d.specialistHPII), d.specialist.display(d.specialty.prefix)),
		Organization: reference{Reference: d.urls[theRecipient], Display: d.recipientName},
		Code:         []concept{{Coding: []coding{d.specialty.role}}},
		Specialty:    []concept{{Coding: []coding{d.specialty.specialty}}},
		Telecom:      contacts(d.recipientTelephone, d.specialty.name+"@", d.recipientMailDomain),
	}
}

func (d *draft) senderOrganization() organization {
	return organization{
		ResourceType: "Organization", Meta: profiled("organization"), Identifier: []identifier{*hpio(d.options.Sender)}, Active: true,
		Type: []concept{coded(snomed, "288565001", "Medical centre")}, Name: d.senderName,
		Telecom: contacts(d.senderTelephone, "reception@", d.senderMailDomain),
		Address: []address{d.address("work", "physical", d.senderTown)},
	}
}

func (d *draft) recipientOrganization() organization {
	return organization{
		ResourceType: "Organization", Meta: profiled("organization"), Identifier: []identifier{*hpio(d.options.Recipient)}, Active: true,
		Type: []concept{{Coding: []coding{d.specialty.specialty}, Text: d.specialty.clinic}}, Name: d.recipientName,
		Telecom: contacts(d.recipientTelephone, "referrals@", d.recipientMailDomain),
		Address: []address{d.address("work", "physical", d.recipientTown)},
	}
}

func contacts(telephone, mailbox, domain string) []contactPoint {
	return []contactPoint{{"phone", telephone, "work"}, {"email", mailbox + domain, "work"}}
}
