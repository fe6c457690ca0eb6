package generate

import (
	"encoding/hex"
	"time"
)

// part is an entry that stands at most once in a referral.
type part int

const (
	thePatient part = iota
	theSender
	theRequesterRole
	theRequester
	theRecipient
	theSpecialistRole
	theSpecialist
	theServiceRequest
	theTask
	theLetter
	parts
)

// byNeed is the order in which parts are left out of a small referral: the last ones first.
var byNeed = [parts]part{
	thePatient, theServiceRequest, theRecipient, theRequesterRole, theLetter,
	theSender, theRequester, theTask, theSpecialistRole, theSpecialist,
}

// draft is a referral while it is written. What it leaves out is referred to by its identifier, never by a link.
type draft struct {
	*Generator
	options   Options
	specialty *specialty
	reason    reason
	authored  time.Time
	priority  string
	number    string // of the order, unique in the practice

	urls [parts]string // fullUrl of what the referral has, else ""

	patient, requester, specialist        person
	requesterHPII, specialistHPII         string
	requesterNumber, specialistNumber     string // provider numbers
	senderTown, recipientTown             town
	senderName, recipientName             string
	senderTelephone, recipientTelephone   string
	senderMailDomain, recipientMailDomain string
	clinical                              []entry
	supporting                            []reference
}

func newDraft(g *Generator, o Options, s *specialty) *draft {
	d := &draft{
		Generator: g, options: o, specialty: s, reason: pick(g, s.reasons), authored: g.moment(), priority: pick(g, priorities),
		patient: g.adult(), requester: g.adult(), specialist: g.adult(),
		requesterHPII: g.hiNumber(hpiiPrefix), specialistHPII: g.hiNumber(hpiiPrefix),
		requesterNumber: g.provider(), specialistNumber: g.provider(),
		senderTown: pick(g, towns), recipientTown: pick(g, towns),
	}
	var random [5]byte
	_, _ = g.source.Read(random[:]) // a ChaCha8 does not fail
	d.number = d.authored.Format("20060102-") + hex.EncodeToString(random[:])
	d.senderName = d.senderTown.name + " " + pick(g, practices)
	d.recipientName = d.recipientTown.name + " " + pick(g, hospitals) + ", " + s.clinic
	d.senderTelephone, d.recipientTelephone = g.phone(d.senderTown.area), g.phone(d.recipientTown.area)
	d.senderMailDomain, d.recipientMailDomain = "practice.example", "hospital.example"
	left := o.Entries
	for _, p := range byNeed {
		if left > 0 && (p != theLetter || o.AttachmentBytes > 0) {
			d.urls[p] = g.fullURL()
			left--
		}
	}
	for i := range left {
		d.addClinical(i)
	}
	return d
}

// bundle returns the transaction.
func (d *draft) bundle() bundle {
	b := bundle{ResourceType: "Bundle", Meta: &meta{Security: testData}, Type: "transaction", Entry: make([]entry, 0, d.options.Entries)}
	add := func(p part, resourceType string, resource func() any) {
		if d.urls[p] != "" {
			b.Entry = append(b.Entry, create(d.urls[p], resourceType, resource()))
		}
	}
	add(thePatient, "Patient", func() any { return d.patientResource() })
	add(theRequester, "Practitioner", func() any { return practitionerResource(d.requester, d.requesterHPII, "Dr") })
	add(theRequesterRole, "PractitionerRole", func() any { return d.requesterRole() })
	add(theSender, "Organization", func() any { return d.senderOrganization() })
	add(theRecipient, "Organization", func() any { return d.recipientOrganization() })
	add(theSpecialist, "Practitioner", func() any {
		return practitionerResource(d.specialist, d.specialistHPII, d.specialty.prefix)
	})
	add(theSpecialistRole, "PractitionerRole", func() any { return d.specialistRole() })
	add(theServiceRequest, "ServiceRequest", func() any { return d.serviceRequest() })
	add(theTask, "Task", func() any { return d.task() })
	b.Entry = append(b.Entry, d.clinical...)
	add(theLetter, "DocumentReference", func() any { return d.letter() })
	return b
}

func create(url, resourceType string, resource any) entry {
	return entry{FullURL: url, Resource: resource, Request: request{Method: "POST", URL: resourceType}}
}

// testData marks what holds it as synthetic.
var testData = []coding{{hl7 + "v3-ActReason", "HTEST", "test health data"}}

var priorities = []string{"routine", "routine", "routine", "routine", "urgent", "urgent", "asap"}

// to returns a reference to p: its link, else its identifier.
func (d *draft) to(p part, i *identifier, display string) reference {
	if d.urls[p] != "" {
		return reference{Reference: d.urls[p], Display: display}
	}
	return reference{Identifier: i, Display: display}
}

func (d *draft) toPatient() reference { return reference{Reference: d.urls[thePatient]} }

func (d *draft) toRequesterRole() reference { return reference{Reference: d.urls[theRequesterRole]} }

func (d *draft) toSender() reference {
	return d.to(theSender, hpio(d.options.Sender), d.senderName)
}

func hpio(number string) *identifier { return typed(au0203, "NOI", "HPI-O", systemHPIO, number) }
func hpii(number string) *identifier { return typed(v20203, "NPI", "HPI-I", systemHPII, number) }

func providerNumber(number string) *identifier {
	return typed(au0203, "UPIN", "Medicare provider number", systemProvider, number)
}
