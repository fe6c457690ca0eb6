// Package identifier checks the numbers by which Australian health care knows people, organisations and cards, such
// as the IHI and the Medicare number.
//
// It promises to be a pure function of the number: no look-up, no state, time linear in the value. Its sentences
// name the number system in the words a clinic uses, and never the number. Rules that AU Base 6.0.0 states carry
// their invariant's key, and hold exactly where its FHIRPath does; rules that only the owner of the number system
// publishes are marked as outside the guide.
//
// It leaves to its caller whether a profile applies, and with it the severity: an error where a profile that the
// resource matched states the rule, a warning where the system alone tells what the number should look like, and
// always a warning for what is outside the guide, since published examples break some of it (AU Base's own test data
// has ABNs with invented check digits).
package identifier

// Problem is one rule that a number breaks.
type Problem struct {
	// Key is the AU Base invariant, such as inv-ihi-value-2, or a name of ours where the guide has none.
	Key string
	// Outside tells that the key is ours and no guide states the rule: breaking it is at most worth a warning.
	Outside bool
	// Sentence says what is wrong to a person at a clinic, without the number.
	Sentence string
}

// System is a number system, known by its Identifier.system.
type System struct {
	// Name is what a clinic calls the number, such as "Individual Healthcare Identifier (IHI)".
	Name  string
	rules []rule
}

// rule is one thing that must hold, given that the rules before it do.
type rule struct {
	key     string
	outside bool // no guide states it
	holds   func(value string) bool
	breach  string              // completes "The IHI …"
	why     func(string) string // a better breach for some values, or ""; nil for none
}

// Lookup returns the number system of an Identifier.system, compared as the guide does: to the letter.
func Lookup(system string) (*System, bool) {
	s, ok := systems[system]
	return s, ok
}

// IsHPIO tells whether value is a Healthcare Provider Identifier – Organisation: 16 digits from 800362, of which the
// last is the check digit (AU Base au-hpio, inv-hpio-0 to -2).
func IsHPIO(value string) bool { return len(systems[ns+"hi/hpio/1.0"].Check(value)) == 0 }

// Check returns what is wrong with value, nothing for a good number. It is one problem at most: a number of 15
// digits is not also told that its check digit is wrong.
func (s *System) Check(value string) []Problem {
	for i := range s.rules {
		if r := &s.rules[i]; !r.holds(value) {
			return []Problem{{Key: r.key, Outside: r.outside, Sentence: "The " + s.Name + " " + r.describe(value)}}
		}
	}
	return nil
}

func (r *rule) describe(value string) string {
	if r.why != nil {
		if better := r.why(value); better != "" {
			return better
		}
	}
	return r.breach
}
