package narrative

import (
	"bytes"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// link checks where an href, or an attribute like it, leads. Nothing there is fetched by showing the narrative, so
// the schemes are those that a person may follow, and those of references within a Bundle.
func (p *parser) link(a attribute) {
	scheme, _ := split(p.plain(a.value))
	switch string(scheme) {
	case "", "http", "https", "mailto", "tel", "sms", "urn":
	default:
		p.report(a.at, "", fhir.CodeInvalid, "The narrative has a link that leads neither to a web page or address nor to another part of the referral")
	}
}

// source checks a plain URL that is fetched when the narrative is shown: it must be another part of the document, or
// the bytes of an image (FHIR R4 narrative.html#id).
func (p *parser) source(a attribute, url []byte) {
	scheme, rest := split(url)
	switch string(scheme) {
	case "urn":
	case "":
		if bytes.HasPrefix(rest, []byte("//")) {
			p.external(a)
		}
	case "http", "https":
		p.external(a)
	default:
		if string(scheme) != "data" || !isImage(rest) {
			p.report(a.at, "", fhir.CodeInvalid, "The narrative has an image that is neither in the referral nor in the narrative itself")
		}
	}
}

func (p *parser) external(a attribute) {
	p.report(a.at, "", fhir.CodeSecurity, "The narrative shows something from another server, which would learn who reads it: send it along instead")
}

// isImage tells whether the rest of a data URL is a picture that cannot be anything else: SVG is a document.
func isImage(rest []byte) bool {
	rest, found := bytes.CutPrefix(rest, []byte("image/"))
	if !found {
		return false
	}
	if i := bytes.IndexAny(rest, ";,"); i >= 0 {
		switch string(rest[:i]) {
		case "png", "jpeg", "jpg", "gif", "webp", "bmp", "tiff":
			return true
		}
	}
	return false
}

// split cuts a plain URL after its scheme; a relative one has none.
func split(url []byte) (scheme, rest []byte) {
	if i := bytes.IndexAny(url, ":/?#"); i >= 0 && url[i] == ':' {
		return url[:i], url[i+1:]
	}
	return nil, url
}

// enough is as much of a URL as tells where it leads: no scheme that matters is longer, and a data URL may have
// megabytes.
const enough = 64

// plain returns what a browser makes of the beginning of a URL, until the next call: see normal.
func (p *parser) plain(url string) []byte {
	p.scratch = normal(p.scratch[:0], url, enough)
	for i, c := range p.scratch {
		if c == '\\' {
			p.scratch[i] = '/'
		}
	}
	return p.scratch
}

// normal appends to b what is left of value, or of its beginning that makes at least limit bytes, once a browser has
// read it: references expanded, white space and control characters dropped, ASCII in lower case. Other characters
// are ?, for no keyword has them.
func normal(b []byte, value string, limit int) []byte {
	limit += len(b)
	for i := 0; i < len(value) && len(b) < limit; {
		r, n := rune(value[i]), 1
		if r == '&' || r >= utf8.RuneSelf {
			r, n = decode(value[i:])
		}
		i += n
		switch {
		case r <= ' ' || 0x7F <= r && r <= 0xA0:
		case 'A' <= r && r <= 'Z':
			b = append(b, byte(r)+'a'-'A')
		case r < 0x7F:
			b = append(b, byte(r))
		default:
			b = append(b, '?')
		}
	}
	return b
}

// style checks a style attribute: declarations only, that neither load nor execute. What hides them from a reader of
// CSS that is simpler than a browser's, escapes and comments, is refused too.
func (p *parser) style(a attribute) {
	p.scratch = normal(append(p.scratch[:0], ';'), a.value, len(a.value))
	css := p.scratch
	if !bytes.ContainsAny(css, `\(/"'@`) && !bytes.Contains(css, []byte(";behavior:")) && !bytes.Contains(css, []byte("binding:")) {
		return // nothing but plain declarations, as nearly always
	}
	for _, word := range [...]string{`\`, "/*", "@import", "expression(", "script:", ";behavior:", "-moz-binding:"} {
		if bytes.Contains(css, []byte(word)) {
			p.report(a.at, "txt-1", fhir.CodeInvalid, "The narrative has a style that does more than format text")
			return
		}
	}
	for _, word := range [...]string{"://", `"//`, "'//"} {
		if bytes.Contains(css, []byte(word)) {
			p.external(a)
			return
		}
	}
	for rest, found := css, true; found; {
		if _, rest, found = bytes.Cut(rest, []byte("url(")); found {
			p.source(a, bytes.TrimLeft(rest[:min(len(rest), enough)], `"'`))
		}
	}
}
