package generate

import "strings"

func (d *draft) serviceRequest() serviceRequest {
	s := serviceRequest{
		ResourceType: "ServiceRequest", Meta: &meta{Profile: []string{auBase + "au-servicerequest"}},
		Text:       d.narrative(),
		Identifier: []identifier{*d.orderIdentifier("PLAC", "Placer Identifier", "R-"+d.number)},
		Status:     "active", Intent: "order", Priority: d.priority,
		Category: []concept{coded(snomed, "3457005", "Patient referral")},
		Code:     concept{Coding: []coding{d.specialty.service}, Text: d.specialty.service.Display},
		Subject:  d.toPatient(), AuthoredOn: dateTime(d.authored),
		Requester:  reference{Reference: d.urls[theRequesterRole], Display: d.requester.display("Dr")},
		ReasonCode: []concept{{Coding: []coding{sct(d.reason.code, d.reason.display)}, Text: d.reason.text}},
	}
	if url := d.urls[theSpecialistRole]; url != "" {
		s.Performer = append(s.Performer, reference{Reference: url, Display: d.specialist.display(d.specialty.prefix)})
	}
	s.Performer = append(s.Performer, reference{Reference: d.urls[theRecipient], Display: d.recipientName})
	if url := d.urls[theLetter]; url != "" {
		s.SupportingInfo = append(s.SupportingInfo, reference{Reference: url})
	}
	if len(d.supporting) > 0 { // the first is the condition that the referral is about
		s.ReasonReference = d.supporting[:1]
	}
	s.SupportingInfo = append(s.SupportingInfo, d.supporting...)
	return s
}

func (d *draft) narrative() narrative {
	var b strings.Builder
	b.WriteString(`<div xmlns="http://www.w3.org/1999/xhtml"><p>Referred for ` + d.reason.text + `.</p>`)
	if url := d.urls[theLetter]; url != "" {
		b.WriteString(`<p>Please read the <a href="` + url + `">referral letter</a>.</p>`)
	}
	b.WriteString(`</div>`)
	return narrative{"generated", b.String()}
}

func (d *draft) task() task {
	return task{
		ResourceType: "Task", GroupIdentifier: d.orderIdentifier("PGN", "Placer Group Number", "G-"+d.number),
		Status: "requested", Intent: "order", Priority: d.priority,
		Code:        coded("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request"),
		Description: "Triage the referral and book an appointment.",
		Focus:       reference{Reference: d.urls[theServiceRequest]}, For: d.toPatient(),
		AuthoredOn: dateTime(d.authored), LastModified: dateTime(d.authored), Requester: d.toRequesterRole(),
		Owner: reference{Reference: d.urls[theRecipient], Display: d.recipientName},
	}
}

// orderIdentifier returns a local order identifier (AU Base au-localorderidentifier).
func (d *draft) orderIdentifier(code, text, value string) *identifier {
	i := typed(v20203, code, text, systemOrder+d.options.Sender, value)
	i.Assigner = &reference{Display: d.senderName}
	if url := d.urls[theSender]; url != "" {
		i.Assigner.Reference = url
	}
	return i
}
