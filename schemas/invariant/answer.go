package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// answer is what FHIRPath yields for a condition: true, false or empty; or unknown, where what would decide it is not
// in the document.
type answer int

const (
	empty answer = iota
	no
	yes
	unknown
)

// predicate is a condition of FHIRPath in Go. The functions below read as the operators and functions of FHIRPath
// that they are named for.
type predicate func(env Env, e element.Element) answer

// of is the answer of FHIRPath for a condition that is never empty.
func of(condition bool) answer {
	if condition {
		return yes
	}
	return no
}

func (a answer) negated() answer {
	switch a {
	case yes:
		return no
	case no:
		return yes
	default:
		return a
	}
}

// not is not().
func not(p predicate) predicate {
	return func(env Env, e element.Element) answer { return p(env, e).negated() }
}

// or is true when one of conditions is.
func or(conditions ...predicate) predicate {
	return func(env Env, e element.Element) answer {
		result := no
		for _, p := range conditions {
			switch a := p(env, e); a {
			case yes:
				return yes
			case unknown:
				result = unknown
			case empty:
				if result == no {
					result = empty
				}
			default: // no
			}
		}
		return result
	}
}

// and is false when one of conditions is.
func and(conditions ...predicate) predicate {
	return func(env Env, e element.Element) answer {
		result := yes
		for _, p := range conditions {
			switch a := p(env, e); a {
			case no:
				return no
			case empty:
				result = empty
			case unknown:
				if result == yes {
					result = unknown
				}
			default: // yes
			}
		}
		return result
	}
}

func implies(condition, consequence predicate) predicate { return or(not(condition), consequence) }

// xor is true when one of both is.
func xor(p, q predicate) predicate {
	return func(env Env, e element.Element) answer {
		a, b := p(env, e), q(env, e)
		switch {
		case a == empty || b == empty:
			return empty
		case a == unknown || b == unknown:
			return unknown
		default:
			return of(a != b)
		}
	}
}

// same is = between conditions.
func same(p, q predicate) predicate { return not(xor(p, q)) }
