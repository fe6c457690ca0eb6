// Package attachment checks what an Attachment or a Binary carries: its base64, size, hash, and whether it is what
// its type says (FHIR R4 datatypes.html#Attachment).
//
// It reads the data once, in small pieces, in time linear in it; nothing is unpacked, and nothing is fetched: of an
// attachment that is elsewhere only the type is looked at. Its sentences never quote the attachment.
//
// Errors, worth a 422 (RELIABILITY C33 to C35), are: data that is not base64; a size that is not the number of its
// bytes; a hash that is not their SHA-1; a type that is not on the list of documents, images and recordings (web
// pages and programs are not); and whatever the type says, data that is a program, a script, a web page passed off
// as something else, a PDF with JavaScript, or the EICAR test file. A warning, since nothing is lost by it, is data
// that is clearly of another type than declared, or of a type that says nothing. A type whose bytes have no mark is
// never doubted.
//
// It is no virus scanner: what is compressed, encrypted or merely dangerous passes. It leaves that a type is given
// (att-1) and the lexical form of numbers and of hash to others.
package attachment

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what FHIR R4 defines hash to be; it guards against damage, not against forgery
	"encoding/base64"
	"hash"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// Attachment has the text of the elements of an Attachment, "" for absent ones. A Binary has ContentType and Data.
type Attachment struct {
	ContentType, Data, Size, Hash string
}

// Problem is one thing that is wrong with an attachment.
type Problem struct {
	// Key names the rule; all are this server's, or of FHIR's prose, which has no keys.
	Key string
	// Element is what the problem is about: contentType, data, size or hash.
	Element  string
	Severity fhir.Severity // error or warning
	Code     fhir.Code
	// Sentence says what is wrong to a person at a clinic.
	Sentence string
}

// Check returns what is wrong with a, nothing for a good one. Of data that is not base64 nothing else is told. Safe
// for concurrent use.
func Check(a Attachment) []Problem {
	var problems []Problem
	report := func(key, element string, severity fhir.Severity, code fhir.Code, sentence string) {
		problems = append(problems, Problem{key, element, severity, code, sentence})
	}
	declared := mediaType(a.ContentType)
	switch {
	case declared == octetStream:
		report("attachment-type", "contentType", fhir.SeverityWarning, fhir.CodeValue,
			"The type of the attachment says only that it is data: a receiver may not be able to show it")
	case declared != "" && !supported(declared):
		report("attachment-type", "contentType", fhir.SeverityError, fhir.CodeNotSupported,
			"The attachment is of a type that is not accepted: send a document, an image or a recording, no web page and no program")
	}
	if a.Data == "" {
		return problems
	}
	s := summary{hashing: a.Hash != ""}
	if !s.read(a.Data) {
		report("attachment-base64", "data", fhir.SeverityError, fhir.CodeValue, "The data of the attachment is not complete base64")
		return problems
	}
	if size, err := strconv.ParseInt(a.Size, 10, 64); err == nil && size != s.size {
		report("attachment-size", "size", fhir.SeverityError, fhir.CodeInvariant,
			"The size of the attachment is not the number of bytes that its data has: it may be cut off")
	}
	if want, ok := decodeHash(a.Hash); ok && !bytes.Equal(want, s.sum) {
		sentence := "The hash of the attachment is not that of its data: one of the two was changed on the way"
		if len(want) != sha1.Size {
			sentence = "The hash of the attachment must be the SHA-1 of its data: 20 bytes, in base64"
		}
		report("attachment-hash", "hash", fhir.SeverityError, fhir.CodeInvariant, sentence)
	}
	found := sniff(s.head)
	switch {
	case found.program:
		report("attachment-content", "data", fhir.SeverityError, fhir.CodeNotSupported, "The attachment is "+found.name+", which is not accepted, whatever its type says")
	case found == webPage && supported(declared) && !isText(declared):
		report("attachment-content", "data", fhir.SeverityError, fhir.CodeNotSupported, "The attachment is a web page, which is not accepted, but its type says something else")
	case found == pdf && s.script:
		report("attachment-content", "data", fhir.SeverityError, fhir.CodeNotSupported, "The attachment is a PDF with JavaScript in it: print it to a PDF without")
	case supported(declared):
		if want := contradiction(declared, found, s.nul); want != "" {
			report("attachment-mismatch", "contentType", fhir.SeverityWarning, fhir.CodeValue,
				"The type of the attachment says that it is "+want+", but its data is "+found.name)
		}
	}
	return problems
}

// decodeHash returns the bytes of a hash, if it has any that can be read.
func decodeHash(text string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return b, err == nil && len(b) > 0
}

// summary is what one reading of the data finds out.
type summary struct {
	hashing bool // whether sum is wanted

	size   int64
	sum    []byte // SHA-1
	head   []byte // the first bytes, up to headSize
	nul    bool   // a byte 0 was seen
	script bool   // JavaScript of a PDF was seen
}

const (
	headSize = 1024      // as far as readers of PDF look for its header
	piece    = 32 << 10  // characters that are decoded at once; a multiple of 4
	overlap  = len(mark) // bytes of the piece before that are searched again
	mark     = "/JavaScript"
)

// read decodes data, in which white space may stand anywhere (FHIR R4 datatypes.html#base64Binary), and tells
// whether it is base64, padded.
func (s *summary) read(data string) bool {
	var h hash.Hash
	if s.hashing {
		h = sha1.New() //nolint:gosec // see the import
	}
	text := make([]byte, 0, piece)
	out := make([]byte, overlap+piece/4*3)
	padded := false
	for data != "" {
		text, data = fill(text[:0], data)
		if len(text) == 0 {
			break // only white space was left
		}
		n, err := base64.StdEncoding.Decode(out[overlap:], text)
		if err != nil || padded {
			return false
		}
		padded = text[len(text)-1] == '='
		got := out[overlap : overlap+n]
		s.size += int64(n)
		if room := headSize - len(s.head); room > 0 {
			s.head = append(s.head, got[:min(room, n)]...)
		}
		s.nul = s.nul || bytes.IndexByte(got, 0) >= 0
		s.script = s.script || bytes.Contains(out[:overlap+n], []byte(mark))
		if h != nil {
			h.Write(got)
		}
		copy(out, out[n:n+overlap])
	}
	if h != nil {
		s.sum = h.Sum(nil)
	}
	return s.size > 0
}

// fill moves characters that are not white space from data to text, up to its capacity.
func fill(text []byte, data string) (filled []byte, rest string) {
	for data != "" && len(text) < cap(text) {
		next := data[:min(len(data), cap(text)-len(text))]
		data = data[len(next):]
		if !hasSpace(next) {
			text = append(text, next...)
			continue
		}
		for i := range len(next) {
			if c := next[i]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				text = append(text, c)
			}
		}
	}
	return text, data
}

// hasSpace uses four fast searches: looking at each character takes longer than decoding it.
func hasSpace(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, ' ') >= 0 || strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\t') >= 0
}
