package processor

import (
	"strings"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// summarize fills in who and what the referral is about, from one of its resources, whose readers may know it: see
// lead. Without such a one the first Patient is all there is to tell. What the sender did not write stays empty.
func (s *settlement) summarize(bundle fhir.Bundle, l *links) {
	i, ok := lead(bundle, l)
	if !ok {
		if i, ok = firstOf(bundle, "Patient"); ok {
			s.Patient = l.names[i]
		}
		return
	}
	s.Request = l.names[i]
	resource := bundle.Entries[i].Resource
	var subject, authored *fhir.Value
	var service string
	switch resource.ResourceType() {
	case "ServiceRequest":
		subject, authored = resource.Get("subject"), resource.Get("authoredOn")
		service = concept(resource.Get("code"))
	case "Task":
		subject, authored = resource.Get("for"), resource.Get("authoredOn")
		service = firstText(resource.At("focus", "display").Text(), resource.Get("description").Text(), concept(resource.Get("code")))
	case "CommunicationRequest":
		subject, authored = resource.Get("subject"), resource.Get("authoredOn")
		service = firstText(concept(resource.Get("category")), resource.At("payload", "contentString").Text())
	case "Composition":
		subject, authored = resource.Get("subject"), resource.Get("date")
		service = firstText(resource.Get("title").Text(), concept(resource.Get("type")))
	case "DiagnosticReport":
		subject, authored = resource.Get("subject"), resource.Get("issued")
		service = concept(resource.Get("code"))
	case "DocumentReference":
		subject, authored = resource.Get("subject"), resource.Get("date")
		service = firstText(resource.Get("description").Text(), concept(resource.Get("type")))
	}
	s.Patient = l.patient(i, subject.Get("reference").Text())
	s.Service = shorten(service)
	s.Priority = shorten(resource.Get("priority").Text())
	s.Authored = shorten(authored.Text())
}

// lead returns the entry that says what the Bundle is about: of a message the request that MessageHeader.focus leads
// to, of a document the request that a section of its Composition does; otherwise the first ServiceRequest, or what
// comes nearest to one.
func lead(bundle fhir.Bundle, l *links) (int, bool) {
	var pointers []pointer
	switch bundle.Type {
	case "message":
		if i, ok := firstOf(bundle, "MessageHeader"); ok {
			pointers = pointersIn(nil, i, bundle.Entries[i].Resource.Get("focus"))
		}
	case "document":
		if i, ok := firstOf(bundle, "Composition"); ok {
			pointers = sectionEntries(nil, i, bundle.Entries[i].Resource.Get("section"))
		}
	}
	var pointed []int
	for _, p := range pointers {
		if i, ok := l.Entry(p.from, p.reference); ok {
			pointed = append(pointed, i)
		}
	}
	if i, ok := requestAmong(bundle, l, pointed); ok {
		return i, true
	}
	if bundle.Type == "message" {
		if i, ok := nearest(bundle, pointed); ok {
			return i, true
		}
	}
	if i, ok := firstOf(bundle, "ServiceRequest"); ok {
		return i, true
	}
	if bundle.Type == "document" {
		return firstOf(bundle, "Composition")
	}
	all := make([]int, len(bundle.Entries))
	for i := range all {
		all[i] = i
	}
	return nearest(bundle, all)
}

// requestAmong returns the first ServiceRequest that one of the entries is, or is a Task for.
func requestAmong(bundle fhir.Bundle, l *links, entries []int) (int, bool) {
	for _, i := range entries {
		resource := bundle.Entries[i].Resource
		if resource.ResourceType() == "Task" {
			focus, ok := l.Entry(i, resource.At("focus", "reference").Text())
			if !ok {
				continue
			}
			i, resource = focus, bundle.Entries[focus].Resource
		}
		if resource.ResourceType() == "ServiceRequest" {
			return i, true
		}
	}
	return 0, false
}

// nearest returns the one of the entries that comes nearest to a request: a Task that has a focus, a Task, which then
// groups others (AU eRequesting: a group Task has no focus), and so on.
func nearest(bundle fhir.Bundle, entries []int) (int, bool) {
	for _, fits := range []func(*fhir.Value) bool{
		func(r *fhir.Value) bool { return r.ResourceType() == "Task" && r.Get("focus") != nil },
		func(r *fhir.Value) bool { return r.ResourceType() == "Task" },
		func(r *fhir.Value) bool { return r.ResourceType() == "CommunicationRequest" },
		func(r *fhir.Value) bool { return r.ResourceType() == "DiagnosticReport" },
		func(r *fhir.Value) bool { return r.ResourceType() == "DocumentReference" },
	} {
		for _, i := range entries {
			if fits(bundle.Entries[i].Resource) {
				return i, true
			}
		}
	}
	return 0, false
}

// firstOf returns the first entry of the type.
func firstOf(bundle fhir.Bundle, resourceType string) (int, bool) {
	for i := range bundle.Entries {
		if bundle.Entries[i].Resource.ResourceType() == resourceType {
			return i, true
		}
	}
	return 0, false
}

// pointer is a reference that stands in an entry.
type pointer struct {
	from      int
	reference string
}

// pointersIn appends the references of an array of References in entry from.
func pointersIn(pointers []pointer, from int, references *fhir.Value) []pointer {
	items := references.Items()
	for i := range items {
		pointers = append(pointers, pointer{from, items[i].Get("reference").Text()})
	}
	return pointers
}

// sectionEntries appends Composition.section.entry, of a section before those of the sections in it.
func sectionEntries(pointers []pointer, from int, sections *fhir.Value) []pointer {
	items := sections.Items()
	for i := range items {
		pointers = pointersIn(pointers, from, items[i].Get("entry"))
		pointers = sectionEntries(pointers, from, items[i].Get("section"))
	}
	return pointers
}

// patient returns the stored name of the Patient that reference, standing in entry from, leads to, or "" when it is
// contained or no Patient.
func (l *links) patient(from int, reference string) string {
	name := l.rename(from, reference)
	if strings.HasPrefix(name, "#") || fhir.IsRelative(name) && !strings.HasPrefix(name, "Patient/") {
		return ""
	}
	return name
}

// concept returns what a CodeableConcept says, or the first of several that says something: its text, else a display.
func concept(v *fhir.Value) string {
	if v.Kind() == fhir.Array {
		items := v.Items()
		for i := range items {
			if text := concept(&items[i]); text != "" {
				return text
			}
		}
		return ""
	}
	if text := v.Get("text").Text(); text != "" {
		return text
	}
	codings := v.Get("coding").Items()
	for i := range codings {
		if display := codings[i].Get("display").Text(); display != "" {
			return display
		}
	}
	return ""
}

func firstText(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// maxSummary is in bytes: a list of referrals is to stay readable whatever somebody writes into one.
const maxSummary = 500

// shorten cuts what is too long for a summary between two characters.
func shorten(text string) string {
	if len(text) <= maxSummary {
		return text
	}
	cut := maxSummary
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
