// Package terminology knows the codes of the value sets that decide about validity, as far as they are published in
// full. It is no terminology server: what it does not hold in full it says it does not know.
package terminology

// Verdict is what is known of a code's place in a value set.
type Verdict int

// The verdicts. Unknown is the zero value.
const (
	Unknown Verdict = iota // the value set, or the part of it that the code's system decides, is not held in full
	In
	Out
)
