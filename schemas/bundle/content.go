package bundle

import (
	"github.com/ausbizconsulting/referral-fhir-server/schemas/attachment"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/narrative"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// narrative checks the XHTML of a Narrative. A key of the base's is told as such, and what goes beyond it as ours.
func (w *walk) narrative(div *fhir.Value) {
	for _, problem := range narrative.Check(div.Text()) {
		rule := own("narrative")
		if problem.Key != "" {
			rule = base("Narrative", problem.Key)
		}
		w.fail(rule, problem.Code, "div", problem.Sentence)
	}
}

// confidentiality is the code system of security labels that say who may read (FHIR R4 security-labels.html).
const confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

// securityLabel checks one of meta.security. Restricted (R) is how this server treats all that it holds: sender and
// addressees read it, and each time is recorded. Very restricted (V) asks for more.
func (w *walk) securityLabel(v *fhir.Value) {
	if v.Get("system").Text() == confidentiality && v.Get("code").Text() == "V" {
		w.fail(own("security-label"), fhir.CodeSecurity, "",
			"This server cannot treat a resource as very restricted (V): send it in a way that was agreed with the recipient")
	}
}

// scheme checks a URL that software may follow.
func (w *walk) scheme(v *fhir.Value) {
	switch schemeOf(v.Text()) {
	case "file", "gopher":
		w.fail(own("url-scheme"), fhir.CodeValue, elementName(w.root.ResourceType(), v.Name()),
			"A URL of this scheme leads into the computer that reads it, and to nothing that was sent")
	case "javascript", "vbscript", "data":
		w.fail(own("url-scheme"), fhir.CodeSecurity, elementName(w.root.ResourceType(), v.Name()),
			"A URL of this scheme is a program or a document in disguise; what is sent stands in Attachment.data or a Binary")
	}
}

// isAttachment tells whether an element called name that has a contentType or data is an Attachment. Some of the names
// are also those of other types, which have neither.
func isAttachment(name string) bool {
	switch name {
	case "attachment", "content", "document", "form", "image", "photo", "presentedForm", "valueAttachment",
		"contentAttachment", "sourceAttachment", "sequenceAttachment", "legallyBindingAttachment",
		"defaultValueAttachment", "fixedAttachment", "patternAttachment":
		return true
	default:
		return false
	}
}

// attachment checks an Attachment or a Binary.
func (w *walk) attachment(v *fhir.Value) {
	for _, problem := range attachment.Check(attachment.Attachment{
		ContentType: v.Get("contentType").Text(), Data: v.Get("data").Text(),
		Size: v.Get("size").Text(), Hash: v.Get("hash").Text(),
	}) {
		w.report(problem.Severity, own(problem.Key), problem.Code, problem.Element, problem.Sentence)
	}
}
