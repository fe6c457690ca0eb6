package generate

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what Attachment.hash is made of
	"fmt"
	"strings"
)

// scanned is the size from which a letter is a PDF with a scan in it, which does not compress, and not plain text.
const scanned = 16_000

func (d *draft) letter() documentReference {
	a := attachment{
		ContentType: "text/plain", Language: "en-AU", Size: d.options.AttachmentBytes,
		Title: "Referral letter", Creation: dateTime(d.authored),
	}
	if a.Size < scanned {
		a.Data = d.text(a.Size)
	} else {
		a.ContentType, a.Data = "application/pdf", d.pdf(a.Size)
	}
	hash := sha1.Sum(a.Data) //nolint:gosec // see above
	a.Hash = hash[:]
	return documentReference{
		ResourceType: "DocumentReference", Status: "current", DocStatus: "final",
		Type: coded(loinc, "57133-1", "Referral note"), Subject: d.toPatient(), Date: dateTime(d.authored),
		Author: []reference{d.toRequesterRole()}, Custodian: d.toSender(), Description: "Letter to " + d.specialty.clinic,
		Content: []content{{a}},
	}
}

// text returns a letter of size bytes: as much of it as fits, or with remarks until it is long enough. It is ASCII,
// so that it may be cut anywhere.
func (d *draft) text(size int) []byte {
	var b strings.Builder
	b.WriteString(d.authored.Format("2 January 2006") + "\n\nDear colleague,\n\nThank you for seeing this patient, who is referred for " + d.reason.text + ".\n")
	for b.Len() < size {
		b.WriteString(pick(d.Generator, remarks) + "\n")
	}
	return []byte(b.String()[:size])
}

var remarks = []string{
	"Examination today was otherwise unremarkable.",
	"The patient lives with family and manages all activities of daily living.",
	"Recent results are attached; copies of earlier ones can be sent on request.",
	"Medicines and allergies are listed in the referral.",
	"I would be grateful for your assessment and for advice on further management.",
	"There is no relevant family history, and the patient does not smoke.",
}

// pdf returns a document of one page and size bytes, most of them a stream of noise as a scan would be.
func (d *draft) pdf(size int) []byte {
	const page = "BT /F1 12 Tf 72 760 Td (Synthetic referral letter: test data, no real patient.) Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(page), page),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	var offsets []int
	begin := func() {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(b, "%d 0 obj\n", len(offsets))
	}
	b.WriteString("%PDF-1.4\n")
	for _, object := range objects {
		begin()
		b.WriteString(object + "\nendobj\n")
	}
	// The numbers below have a fixed width, so that the noise takes exactly what the rest leaves.
	begin()
	const head, tail = "<< /Length %07d >>\nstream\n", "\nendstream\nendobj\n"
	const trailer = "trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%07d\n%%%%EOF\n"
	const table = "xref\n0 7\n0000000000 65535 f \n"
	rest := len(fmt.Sprintf(head, 0)) + len(tail) + len(table) + 20*(len(objects)+1) + len(fmt.Sprintf(trailer, 0))
	noise := make([]byte, size-b.Len()-rest)
	_, _ = d.source.Read(noise) // a ChaCha8 does not fail
	fmt.Fprintf(b, head, len(noise))
	b.Write(noise)
	b.WriteString(tail)
	xref := b.Len()
	b.WriteString(table)
	for _, offset := range offsets {
		fmt.Fprintf(b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(b, trailer, xref)
	return b.Bytes()
}
