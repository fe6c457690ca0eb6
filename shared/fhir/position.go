package fhir

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Position is a place in a document, for a person who looks for it. The zero value is the document's start.
type Position struct{ offset, line, column int }

// String returns such as "line 12, column 5": both from 1, and columns in characters.
func (p Position) String() string { return fmt.Sprintf("line %d, column %d", p.line+1, p.column+1) }

// Line returns the line, from 1.
func (p Position) Line() int { return p.line + 1 }

// Column returns the column, from 1, in characters.
func (p Position) Column() int { return p.column + 1 }

// Position returns where v begins in its document: a member with its name. It counts from an earlier position of the
// same document, if after is one, so that asking for many in their order reads the document once.
func (v *Value) Position(after Position) Position {
	at := int(v.start)
	if v.nameLength > 0 || v.nameEscaped {
		at = int(v.nameStart)
	}
	if at < after.offset {
		after = Position{}
	}
	return after.moved(v.document.source, at)
}

// moved returns the position of offset, which is not before p.
func (p Position) moved(source string, offset int) Position {
	passed := source[p.offset:offset]
	if lines := strings.Count(passed, "\n"); lines > 0 {
		p.line, p.column = p.line+lines, 0
		passed = passed[strings.LastIndexByte(passed, '\n')+1:]
	}
	p.offset, p.column = offset, p.column+utf8.RuneCountInString(passed)
	return p
}
