package narrative

import (
	"html"
	"strings"
	"unicode/utf8"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

const (
	maxDepth      = 128 // elements within each other; browsers stop at 512
	maxAttributes = 64  // of one element; HTML has fewer
)

// parser reads a div once, from left to right. Its methods return false where the div stops being well-formed, which
// they have reported.
type parser struct {
	div        string
	i          int         // the next byte
	open       []string    // names of the elements that are not closed yet
	attributes []attribute // of the start tag that is being read
	content    bool        // something for a person was seen
	scratch    []byte
	problems   []Problem
}

// attribute has its value as it stands: references are not expanded.
type attribute struct {
	name, value string
	at          int // offset of the name
}

func (p *parser) document() bool {
	if !utf8.ValidString(p.div) {
		return p.malformed("it has bytes that are not UTF-8")
	}
	p.space()
	if !strings.HasPrefix(p.div[p.i:], "<") {
		return p.malformed("it must begin with <div")
	}
	for {
		switch {
		case p.i == len(p.div):
			return p.malformed("an element is not closed")
		case p.div[p.i] != '<':
			if !p.text() {
				return false
			}
		case !p.markup():
			return false
		case len(p.open) == 0:
			p.space()
			if p.i < len(p.div) {
				return p.malformed("something follows its div")
			}
			return true
		}
	}
}

// text reads up to the next tag or the end.
func (p *parser) text() bool {
	for ; p.i < len(p.div); p.i++ {
		switch c := p.div[p.i]; {
		case c == '<':
			return true
		case isSpace(c):
			continue
		case c == '&':
			r, ok := p.reference()
			if !ok {
				return false
			}
			if r <= ' ' {
				continue
			}
		case c == '>' && strings.HasSuffix(p.div[:p.i], "]]"):
			return p.malformed("it has ]]>")
		case !p.legal(c):
			return false
		}
		p.content = true
	}
	return true
}

// markup reads what begins with <.
func (p *parser) markup() bool {
	rest := p.div[p.i+1:]
	switch {
	case strings.HasPrefix(rest, "/"):
		return p.endTag()
	case strings.HasPrefix(rest, "!--") && len(p.open) > 0:
		return p.comment()
	case strings.HasPrefix(rest, "!"), strings.HasPrefix(rest, "?"):
		p.report(p.i, "txt-1", fhir.CodeInvalid, "The narrative must not have a document type, entities, CDATA or processing instructions")
		return false
	}
	return p.startTag()
}

// comment reads a comment that an HTML parser ends at the same place.
func (p *parser) comment() bool {
	body := p.div[p.i+len("<!--"):]
	end := strings.Index(body, "--")
	if end < 0 || !strings.HasPrefix(body[end+2:], ">") || body[0] == '>' || strings.HasPrefix(body, "->") {
		return p.malformed("a comment is not closed by -->, or has -- in it")
	}
	for n := p.i + len("<!--") + end; p.i < n; p.i++ {
		if !p.legal(p.div[p.i]) {
			return false
		}
	}
	p.i += len("-->")
	return true
}

func (p *parser) endTag() bool {
	p.i += len("</")
	name := p.name()
	p.space()
	if len(p.open) == 0 || p.open[len(p.open)-1] != name || !p.next('>') {
		return p.malformed("an element is not closed, or closed twice")
	}
	p.open = p.open[:len(p.open)-1]
	return true
}

func (p *parser) startTag() bool {
	p.i++
	at := p.i
	name := p.name()
	if name == "" {
		return p.malformed("a < must be written &lt; in text")
	}
	p.attributes = p.attributes[:0]
	for {
		spaced := p.space()
		switch {
		case p.next('>'):
			p.start(name, at)
			if len(p.open) == maxDepth {
				p.report(at, "", fhir.CodeTooCostly, "The narrative has too many elements within each other")
				return false
			}
			p.open = append(p.open, name)
			return true
		case p.next('/'):
			if !p.next('>') {
				return p.malformed("a tag is not complete")
			}
			p.start(name, at)
			return true
		case !spaced:
			return p.malformed("a tag is not complete")
		case !p.attributeOf():
			return false
		}
	}
}

// attributeOf reads one attribute of a start tag.
func (p *parser) attributeOf() bool {
	a := attribute{at: p.i}
	a.name = p.name()
	p.space()
	if a.name == "" || !p.next('=') {
		return p.malformed("an attribute has no value")
	}
	p.space()
	if p.i == len(p.div) || p.div[p.i] != '"' && p.div[p.i] != '\'' {
		return p.malformed("the value of an attribute has no quotes")
	}
	quote := p.div[p.i]
	p.i++
	first := p.i
	for ; p.i < len(p.div) && p.div[p.i] != quote; p.i++ {
		switch c := p.div[p.i]; {
		case c == '<':
			return p.malformed("a < must be written &lt; in an attribute")
		case c == '&':
			if _, ok := p.reference(); !ok {
				return false
			}
		case !p.legal(c):
			return false
		}
	}
	a.value = p.div[first:p.i]
	if !p.next(quote) {
		return p.malformed("the value of an attribute does not end")
	}
	for _, other := range p.attributes {
		if other.name == a.name {
			return p.malformed("an element has an attribute twice")
		}
	}
	if len(p.attributes) == maxAttributes {
		return p.malformed("an element has too many attributes")
	}
	p.attributes = append(p.attributes, a)
	return true
}

// reference checks the reference at p.i and moves to its last byte.
func (p *parser) reference() (rune, bool) {
	r, n := decode(p.div[p.i:])
	if n > 0 {
		p.i += n - 1
		return r, true
	}
	end := strings.IndexByte(p.div[p.i:], ';') + 1
	if entity := p.div[p.i : p.i+max(end, 1)]; end == 0 || entity == "&;" || entity[1] == '#' || len(entity) > 40 {
		return 0, p.malformed("an & must be written &amp;")
	} else if html.UnescapeString(entity) == entity {
		p.report(p.i, "txt-1", fhir.CodeInvalid, "The narrative must not have entities, other than &lt; &gt; &amp; &quot; and &apos;")
		return 0, false
	}
	return 0, p.malformed("entities of HTML are not in XML: write the character itself, such as &#160; for &nbsp;")
}

// decode returns the character at the start of s, which is a reference or the character itself, and its length in
// s: 0 for a reference that XML does not have.
func decode(s string) (rune, int) {
	if s[0] != '&' {
		return utf8.DecodeRuneInString(s)
	}
	for _, e := range [...]struct {
		text string
		r    rune
	}{{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}} {
		if strings.HasPrefix(s, e.text) {
			return e.r, len(e.text)
		}
	}
	if !strings.HasPrefix(s, "&#") {
		return 0, 0
	}
	i, base := len("&#"), rune(10)
	if strings.HasPrefix(s[i:], "x") {
		i, base = i+1, 16
	}
	var r rune
	for first := i; i < len(s); i++ {
		switch c := s[i]; {
		case c == ';' && i > first && isChar(r):
			return r, i + 1
		case '0' <= c && c <= '9':
			r = r*base + rune(c-'0')
		case base == 16 && 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r*base + rune(c|0x20-'a'+10)
		default:
			return 0, 0
		}
		if r > utf8.MaxRune {
			return 0, 0
		}
	}
	return 0, 0
}

// isChar tells whether XML 1.0 has a character (§2.2, Char).
func isChar(r rune) bool {
	return r >= ' ' && r < 0xD800 || r == '\t' || r == '\n' || r == '\r' || r > 0xDFFF && r < 0xFFFE || r > 0xFFFF
}

// legal tells whether the character that begins with c at p.i is one of XML's. In valid UTF-8 only the control
// characters and the two last of the plane are not.
func (p *parser) legal(c byte) bool {
	if c < ' ' && !isSpace(c) || c == 0xEF && (strings.HasPrefix(p.div[p.i:], "\uFFFE") || strings.HasPrefix(p.div[p.i:], "\uFFFF")) {
		return p.malformed("it has a control character")
	}
	return true
}

// name reads a name; "" when there is none.
func (p *parser) name() string {
	first := p.i
	for p.i < len(p.div) {
		c := p.div[p.i]
		starts := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' || c >= utf8.RuneSelf
		if !starts && (p.i == first || (c < '0' || c > '9') && c != '-' && c != '.') {
			break
		}
		p.i++
	}
	return p.div[first:p.i]
}

// space passes white space and tells whether there was any.
func (p *parser) space() bool {
	first := p.i
	for p.i < len(p.div) && isSpace(p.div[p.i]) {
		p.i++
	}
	return p.i > first
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// next passes c and tells whether it was there.
func (p *parser) next(c byte) bool {
	if p.i < len(p.div) && p.div[p.i] == c {
		p.i++
		return true
	}
	return false
}

// malformed reports why the div is not well-formed. It returns false, for its callers to return.
func (p *parser) malformed(why string) bool {
	p.report(p.i, "txt-1", fhir.CodeInvariant, "The narrative is not well-formed XHTML: "+why)
	return false
}
