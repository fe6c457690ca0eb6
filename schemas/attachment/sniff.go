package attachment

import (
	"bytes"
	"encoding/binary"
)

// kind is a format that its first bytes give away. The variables below are all there are, and never change.
type kind struct {
	name    string // completes "it is …"
	text    bool   // a person can read it as it is
	program bool   // a computer can run it
}

var (
	other  = &kind{name: "something else"}
	pdf    = &kind{name: "a PDF"}
	png    = &kind{name: "a PNG image"}
	jpeg   = &kind{name: "a JPEG image"}
	gif    = &kind{name: "a GIF image"}
	tiff   = &kind{name: "a TIFF image"}
	bmp    = &kind{name: "a BMP image"}
	webp   = &kind{name: "a WebP image"}
	dicom  = &kind{name: "a DICOM file"}
	zip    = &kind{name: "a ZIP or Office file"}
	ole    = &kind{name: "an older Office file"}
	gzip   = &kind{name: "a gzip file"}
	rtf    = &kind{name: "a rich text (RTF) document", text: true}
	markup = &kind{name: "XML", text: true}
	hl7v2  = &kind{name: "an HL7 v2 message", text: true}
	utf16  = &kind{name: "text in UTF-16", text: true}

	webPage = &kind{name: "a web page", text: true}
	windows = &kind{name: "a Windows program", program: true}
	unix    = &kind{name: "a Linux program", program: true}
	mac     = &kind{name: "a Mac or Java program", program: true}
	link    = &kind{name: "a Windows shortcut", program: true}
	script  = &kind{name: "a script", text: true, program: true}
	eicar   = &kind{name: "the test file of virus scanners", text: true, program: true}
)

// sniff tells what the first bytes of a file say it is.
func sniff(head []byte) *kind {
	for _, s := range [...]struct {
		mark string
		kind *kind
	}{
		{"\x89PNG\r\n\x1a\n", png}, {"\xff\xd8\xff", jpeg}, {"GIF87a", gif}, {"GIF89a", gif}, {"II*\x00", tiff}, {"MM\x00*", tiff},
		{"PK\x03\x04", zip}, {"PK\x05\x06", zip}, {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ole}, {"\x1f\x8b\x08", gzip}, {`{\rtf`, rtf},
		{"\x7fELF", unix}, {"\xfe\xed\xfa\xce", mac}, {"\xfe\xed\xfa\xcf", mac}, {"\xce\xfa\xed\xfe", mac}, {"\xcf\xfa\xed\xfe", mac}, {"\xca\xfe\xba\xbe", mac},
		{"L\x00\x00\x00\x01\x14\x02\x00", link},
	} {
		if bytes.HasPrefix(head, []byte(s.mark)) {
			return s.kind
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("RIFF")) && len(head) >= 12 && string(head[8:12]) == "WEBP":
		return webp
	case len(head) >= 132 && string(head[128:132]) == "DICM":
		return dicom
	case bytes.HasPrefix(head, []byte("BM")) && len(head) >= 18 && binary.LittleEndian.Uint32(head[6:]) == 0 && binary.LittleEndian.Uint32(head[14:]) <= 124:
		return bmp
	case bytes.HasPrefix(head, []byte("MZ")) && len(head) >= 64 && bytes.IndexByte(head[:64], 0) >= 0: // two letters may begin a text
		return windows
	case bytes.Contains(head[:min(len(head), 128)], []byte("$EICAR-STANDARD-"+"ANTIVIRUS-TEST-FILE!$")): // in halves, for scanners of this source
		return eicar
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return utf16
	}
	return sniffText(head)
}

// sniffText looks past what may stand before the first word of a text.
func sniffText(head []byte) *kind {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("#!")) && bytes.HasPrefix(bytes.TrimLeft(text[2:], " "), []byte("/")):
		return script
	case bytes.HasPrefix(text, []byte("MSH|")), bytes.HasPrefix(text, []byte("FHS|")), bytes.HasPrefix(text, []byte("BHS|")):
		return hl7v2
	case bytes.HasPrefix(text, []byte("<")):
		return sniffMarkup(text)
	case bytes.Contains(head, []byte("%PDF-")): // readers take a PDF that does not begin at once
		return pdf
	}
	return other
}

// sniffMarkup tells web pages from other markup by the first element, past declaration and comments.
func sniffMarkup(text []byte) *kind {
	for {
		end := ""
		switch {
		case bytes.HasPrefix(text, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(text, []byte("<!--")):
			end = "-->"
		}
		_, rest, found := bytes.Cut(text, []byte(end))
		if end == "" || !found {
			break
		}
		text = bytes.TrimLeft(rest, " \t\r\n")
	}
	start := bytes.ToLower(text[:min(len(text), 16)])
	for _, page := range [...]string{"<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<svg", "<!doctype svg"} {
		if bytes.HasPrefix(start, []byte(page)) {
			return webPage
		}
	}
	return markup
}
