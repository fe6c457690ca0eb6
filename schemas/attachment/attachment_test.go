package attachment_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/attachment"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// of returns an attachment of content with the right size and hash.
func of(contentType, content string) attachment.Attachment {
	sum := sha1.Sum([]byte(content))
	return attachment.Attachment{
		ContentType: contentType, Data: base64.StdEncoding.EncodeToString([]byte(content)),
		Size: strconv.Itoa(len(content)), Hash: base64.StdEncoding.EncodeToString(sum[:]),
	}
}

const (
	pdf     = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
	png     = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	jpeg    = "\xff\xd8\xff\xe0\x00\x10JFIF"
	docx    = "PK\x03\x04\x14\x00\x06\x00"
	cda     = `<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?><!-- a --><ClinicalDocument xmlns="urn:hl7-org:v3"/>`
	office  = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	windows = "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00@\x00\x00\x00\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00"
)

func TestCheckGood(t *testing.T) {
	for _, c := range []struct{ contentType, content string }{
		{"application/pdf", pdf}, {"Application/PDF; version=1.7", pdf}, {"application/pdf", "\r\n junk before it\n" + pdf},
		{"image/png", png}, {"image/jpeg", jpeg}, {"image/gif", "GIF89a\x01\x00"}, {"image/tiff", "II*\x00\x08\x00"}, {"image/tiff", "MM\x00*\x00"},
		{"image/webp", "RIFF\x10\x00\x00\x00WEBPVP8 "}, {"image/bmp", "BM\x40\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00"},
		{"image/heic", "\x00\x00\x00\x18ftypheic"}, {"application/dicom", strings.Repeat("\x00", 128) + "DICM"}, {"application/dicom", "\x08\x00\x05\x00"},
		{"application/rtf", `{\rtf1\ansi Knee}`}, {"text/rtf", `{\rtf1\ansi Knee}`}, {office, docx}, {"application/zip", docx},
		{"application/msword", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"}, {"application/msword", docx}, {"application/msword", `{\rtf1 Knee}`},
		{"application/hl7-cda+xml", cda}, {"text/xml", "\ufeff" + cda}, {"application/xml", "\xff\xfe<\x00a\x00/\x00>\x00"},
		{"application/fhir+json", `{"resourceType":"Patient"}`}, {"application/hl7-v2", "MSH|^~\\&|A"}, {"text/plain", "MSH|^~\\&|A"},
		{"text/plain", "Knee pain"}, {"text/plain; charset=utf-8", "MZ is how the patient signs, é"}, {"text/plain", "#! not a path"}, {"text/plain", "<html> is what it says"},
		{"text/plain; charset=utf-16", "\xff\xfeK\x00n\x00"}, {"text/csv", "a,b\n"}, {"audio/mpeg", "ID3\x03"}, {"video/mp4", "\x00\x00\x00\x18ftypmp42"},
		{"text/cql", "library A"}, {"", "anything"},
	} {
		a := of(c.contentType, c.content)
		if diff := cmp.Diff([]attachment.Problem(nil), attachment.Check(a)); diff != "" {
			t.Errorf("%s %.20q (-want +got):\n%s", c.contentType, c.content, diff)
		}
	}
}

func TestCheckBad(t *testing.T) {
	const (
		failure, warning                             = fhir.SeverityError, fhir.SeverityWarning
		value, invariant, unsupported                = fhir.CodeValue, fhir.CodeInvariant, fhir.CodeNotSupported
		types, encoding, size, sum, content, another = "attachment-type", "attachment-base64", "attachment-size", "attachment-hash", "attachment-content", "attachment-mismatch"
	)
	with := func(a attachment.Attachment, change func(*attachment.Attachment)) attachment.Attachment {
		change(&a)
		return a
	}
	for name, c := range map[string]struct {
		a        attachment.Attachment
		key      string
		severity fhir.Severity
		code     fhir.Code
		says     string
	}{
		"not base64":         {with(of("application/pdf", pdf), func(a *attachment.Attachment) { a.Data = "####" }), encoding, failure, value, "base64"},
		"cut off":            {with(of("application/pdf", pdf), func(a *attachment.Attachment) { a.Data = a.Data[:len(a.Data)-1] }), encoding, failure, value, "base64"},
		"padding within":     {with(of("text/plain", "a"), func(a *attachment.Attachment) { a.Data += a.Data }), encoding, failure, value, "base64"},
		"padding only":       {attachment.Attachment{ContentType: "text/plain", Data: "===="}, encoding, failure, value, "base64"},
		"white space only":   {attachment.Attachment{ContentType: "text/plain", Data: " \n"}, encoding, failure, value, "base64"},
		"base64 of URLs":     {attachment.Attachment{ContentType: "text/plain", Data: "-_-_"}, encoding, failure, value, "base64"},
		"size of the base64": {with(of("application/pdf", pdf), func(a *attachment.Attachment) { a.Size = strconv.Itoa(len(a.Data)) }), size, failure, invariant, "number of bytes"},
		"size one less":      {with(of("text/plain", "abc"), func(a *attachment.Attachment) { a.Size = "2" }), size, failure, invariant, "number of bytes"},
		"hash of another":    {with(of("text/plain", "abc"), func(a *attachment.Attachment) { a.Hash = of("", "abd").Hash }), sum, failure, invariant, "changed on the way"},
		"hash in hexadecimal": {with(of("text/plain", "abc"), func(a *attachment.Attachment) {
			a.Hash = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%x", sha1.Sum([]byte("abc"))))
		}), sum, failure, invariant, "20 bytes"},
		"web page":             {of("text/html", "<p>a</p>"), types, failure, unsupported, "no web page"},
		"web page elsewhere":   {attachment.Attachment{ContentType: "text/html"}, types, failure, unsupported, "no web page"},
		"drawing":              {of("image/svg+xml", "<svg/>"), types, failure, unsupported, "no web page"},
		"program by type":      {of("application/x-msdownload", "a"), types, failure, unsupported, "no program"},
		"script by type":       {of("text/javascript", "a"), types, failure, unsupported, "no program"},
		"no type":              {of("pdf", pdf), types, failure, unsupported, "not accepted"},
		"unknown type":         {of("application/x-unknown", "a"), types, failure, unsupported, "not accepted"},
		"data":                 {of("application/octet-stream", "\x01\x02"), types, warning, value, "only that it is data"},
		"Windows program":      {of("application/pdf", windows), content, failure, unsupported, "Windows program"},
		"Linux program":        {of("image/png", "\x7fELF\x02\x01"), content, failure, unsupported, "Linux program"},
		"Mac program":          {of("application/msword", "\xcf\xfa\xed\xfe\x07"), content, failure, unsupported, "Mac"},
		"Windows shortcut":     {of("text/plain", "L\x00\x00\x00\x01\x14\x02\x00"), content, failure, unsupported, "shortcut"},
		"script":               {of("text/plain", "#!/bin/sh\nrm"), content, failure, unsupported, "script"},
		"script, spaced":       {of("text/plain", "\ufeff\n#! /usr/bin/env python"), content, failure, unsupported, "script"},
		"program without type": {of("", windows), content, failure, unsupported, "Windows program"},
		"virus test":           {of("text/plain", `X5O!P%@AP[4\PZX54(P^)7CC)7}`+"$EICAR-STANDARD-"+`ANTIVIRUS-TEST-FILE!$H+H*`), content, failure, unsupported, "virus scanners"},
		"PDF with JavaScript":  {of("application/pdf", pdf+"<< /S /JavaScript /JS (app.alert(1)) >>"), content, failure, unsupported, "JavaScript"},
		"PDF with JavaScript across pieces": {of("application/pdf", pdf+strings.Repeat(" ", 24<<10-len(pdf)-4)+"/S /JavaScript"), content, failure, unsupported,
			"JavaScript"},
		"web page as PDF":      {of("application/pdf", "<!DOCTYPE html><html/>"), content, failure, unsupported, "web page"},
		"web page as XML":      {of("application/xml", `<?xml version="1.0"?> <!-- a --> <HTML xmlns="http://www.w3.org/1999/xhtml"/>`), content, failure, unsupported, "web page"},
		"drawing as image":     {of("image/png", `<svg onload="alert(1)"/>`), content, failure, unsupported, "web page"},
		"PNG as PDF":           {of("application/pdf", png), another, warning, value, "is a PDF, but its data is a PNG image"},
		"JPEG as PNG":          {of("image/png", jpeg), another, warning, value, "is a PNG image, but its data is a JPEG image"},
		"JPEG as HEIC":         {of("image/heic", jpeg), another, warning, value, "JPEG image"},
		"text as PDF":          {of("application/pdf", "Knee pain"), another, warning, value, "is a PDF, but its data is something else"},
		"PDF as text":          {of("text/plain", pdf), another, warning, value, "is text, but its data is a PDF"},
		"bytes as text":        {of("text/plain", "Knee\x00pain"), another, warning, value, "is text"},
		"PDF as Word":          {of(office, pdf), another, warning, value, "a PDF"},
		"PDF as older Word":    {of("application/msword", pdf), another, warning, value, "a PDF"},
		"text as CDA":          {of("application/hl7-cda+xml", "Knee pain"), another, warning, value, "is XML"},
		"PDF as DICOM":         {of("application/dicom", pdf), another, warning, value, "a PDF"},
		"RTF as recording":     {of("audio/mpeg", `{\rtf1 a}`), another, warning, value, "(RTF)"},
		"zip as JSON":          {of("application/fhir+json", docx), another, warning, value, "is text"},
		"image as HL7 message": {of("application/hl7-v2", png), another, warning, value, "is text"},
	} {
		t.Run(name, func(t *testing.T) {
			got := attachment.Check(c.a)
			if len(got) != 1 {
				t.Fatalf("got %+v, want one problem", got)
			}
			if p := got[0]; p.Key != c.key || p.Severity != c.severity || p.Code != c.code || !strings.Contains(p.Sentence, c.says) {
				t.Errorf("got %+v, want %s %s %s %q", p, c.key, c.severity, c.code, c.says)
			}
		})
	}
}

// TestWhiteSpaceAnywhere: senders break base64 into lines of every length.
func TestWhiteSpaceAnywhere(t *testing.T) {
	content := strings.Repeat(pdf, 5000)
	a := of("application/pdf", content)
	for _, width := range []int{1, 3, 64, 76, 32<<10 - 1, 32 << 10, 32<<10 + 1} {
		var b strings.Builder
		for data := a.Data; data != ""; {
			n := min(width, len(data))
			b.WriteString(data[:n] + " \r\n\t")
			data = data[n:]
		}
		broken := a
		broken.Data = b.String()
		if diff := cmp.Diff([]attachment.Problem(nil), attachment.Check(broken)); diff != "" {
			t.Errorf("lines of %d (-want +got):\n%s", width, diff)
		}
	}
}

// TestPublishedAttachments checks those of the examples that are published with the Australian guides.
func TestPublishedAttachments(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "fhir", "examples")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published examples are not beside this repository")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	attachments := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := fhir.Parse(data, "Resource", fhir.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		each(doc, func(v *fhir.Value) {
			attachments++
			a := attachment.Attachment{ContentType: v.Get("contentType").Text(), Data: v.Get("data").Text(), Size: v.Get("size").Text(), Hash: v.Get("hash").Text()}
			if diff := cmp.Diff([]attachment.Problem(nil), attachment.Check(a)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", filepath.Base(name), diff)
			}
		})
	}
	if got, want := attachments, 6; got != want {
		t.Errorf("got %d attachments, want %d", got, want)
	}
}

// each visits the objects that have a contentType.
func each(v *fhir.Value, visit func(*fhir.Value)) {
	items := v.Items()
	if v.Kind() == fhir.Object && v.Get("contentType") != nil {
		visit(v)
	}
	for i := range items {
		each(&items[i], visit)
	}
}

// FuzzCheck holds the reading in pieces against that of encoding/base64 as a whole.
func FuzzCheck(f *testing.F) {
	for _, content := range []string{pdf, png, docx, cda, windows, "Knee pain", "#!/bin/sh", ""} {
		f.Add("application/pdf", of("", content).Data)
		f.Add("text/plain", of("", content).Data+"\n")
	}
	f.Add("text/plain", "YQ==YQ==")
	f.Fuzz(func(t *testing.T, contentType, data string) {
		joined := strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "").Replace(data)
		content, err := base64.StdEncoding.DecodeString(joined)
		sum := sha1.Sum(content)
		a := attachment.Attachment{ContentType: contentType, Data: data, Size: strconv.Itoa(len(content)), Hash: base64.StdEncoding.EncodeToString(sum[:])}
		for _, p := range attachment.Check(a) {
			switch p.Key {
			case "attachment-base64":
				if err == nil && len(content) > 0 {
					t.Errorf("%q is base64", data)
				}
			case "attachment-size", "attachment-hash":
				t.Errorf("%q: %+v", data, p)
			}
			if err != nil && data != "" && p.Element == "data" && p.Key != "attachment-base64" {
				t.Errorf("%q is no base64, but %+v", data, p)
			}
		}
	})
}

func BenchmarkCheck3MB(b *testing.B) {
	content := pdf + string(bytes.Repeat([]byte{1, 2, 3, 0xA5, '/', 0x7F, 0xE0}, (3<<20)/7))
	a := of("application/pdf", content)
	lines := a
	lines.Data = strings.Join(split(a.Data, 76), "\r\n")
	for name, a := range map[string]attachment.Attachment{"OneLine": a, "Lines": lines} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if problems := attachment.Check(a); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}

func split(s string, width int) (lines []string) {
	for ; len(s) > width; s = s[width:] {
		lines = append(lines, s[:width])
	}
	return append(lines, s)
}
