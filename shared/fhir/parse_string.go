package fhir

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string from its opening quote to behind its closing one and returns its characters. Without
// escapes that is a piece of the source and costs no memory; with escapes the document keeps them.
func (p *parser) string() (text string, escaped bool, err error) {
	open := p.pos
	p.pos++
	start, ascii := p.pos, true
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			text := p.src[start:p.pos]
			p.pos++
			if !ascii && !utf8.ValidString(text) {
				p.pos = open
				return "", false, p.fail(CodeInvalid, "The text is not valid UTF-8")
			}
			return text, false, p.checkLength(text, open)
		case c == '\\':
			text, err := p.escaped(open, start)
			if err == nil {
				p.doc.decoded = append(p.doc.decoded, decoded{int32(open), text})
			}
			return text, true, err
		case c < 0x20:
			return "", false, p.fail(CodeStructure, "Not JSON: a control character inside a string")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p.pos++
	}
	p.pos = open
	return "", false, p.fail(CodeStructure, "The document ends inside a string")
}

// escaped reads on from the first backslash.
func (p *parser) escaped(open, start int) (string, error) {
	var b strings.Builder
	b.WriteString(p.src[start:p.pos])
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			p.pos++
			text := b.String()
			if !utf8.ValidString(text) {
				p.pos = open
				return "", p.fail(CodeInvalid, "The text is not valid UTF-8")
			}
			return text, p.checkLength(text, open)
		case c < 0x20:
			return "", p.fail(CodeStructure, "Not JSON: a control character inside a string")
		case c != '\\':
			b.WriteByte(c)
			p.pos++
		default:
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		}
	}
	p.pos = open
	return "", p.fail(CodeStructure, "The document ends inside a string")
}

// escape reads one escape sequence, two for a surrogate pair.
func (p *parser) escape() (rune, error) {
	if p.pos+1 == len(p.src) {
		return 0, p.fail(CodeStructure, "The document ends inside a string")
	}
	c := p.src[p.pos+1]
	if c != 'u' {
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return 0, p.fail(CodeStructure, "Not JSON: an unknown escape sequence")
		}
		r := rune("\"\\/\b\f\n\r\t"[i])
		if r == '\b' || r == '\f' {
			return 0, p.fail(CodeValue, "Text must not hold control characters other than tab, line feed and carriage return")
		}
		p.pos += 2
		return r, nil
	}
	r, ok := p.hex(p.pos)
	if !ok {
		return 0, p.fail(CodeStructure, "Not JSON: \\u needs four hexadecimal digits")
	}
	switch {
	case r == 0:
		return 0, p.fail(CodeInvalid, "Text must not hold U+0000")
	case r < 0x20 && r != '\t' && r != '\n' && r != '\r':
		return 0, p.fail(CodeValue, "Text must not hold control characters other than tab, line feed and carriage return")
	case utf16.IsSurrogate(r):
		low, ok := p.hex(p.pos + 6)
		pair := utf16.DecodeRune(r, low)
		if !ok || pair == utf8.RuneError {
			return 0, p.fail(CodeInvalid, "A surrogate stands alone")
		}
		p.pos += 12
		return pair, nil
	}
	p.pos += 6
	return r, nil
}

// hex reads \uXXXX at position at.
func (p *parser) hex(at int) (rune, bool) {
	if at+6 > len(p.src) || p.src[at] != '\\' || p.src[at+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(p.src[at+2:at+6], 16, 16)
	return rune(n), err == nil
}

func (p *parser) checkLength(text string, open int) error {
	if len(text) <= p.limits.String || isBase64(text) {
		return nil
	}
	p.pos = open
	return p.fail(CodeTooLong, fmt.Sprintf("A string that is not base64 has at most %d bytes", p.limits.String)).
		WithStatus(http.StatusBadRequest) // the body is not too large
}

func isBase64(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '/' && c != '=' && c != '\n' && c != '\r' && c != ' ' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
