package query

import (
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// fills returns the key of the group of Tasks that q asks for, and 0 where Tasks without an owner are not for p to find:
// p needs the scope fill, and the group's whole identifier, its system and its value. Such Tasks are all that it shows: what
// they lead to is for who has become their owner, and the audit has who was shown them.
func (q query) fills(p principal.Principal) int64 {
	group := q.understood["group-identifier"]
	if q.resourceType != "Task" || p.Allow(principal.Fill) != nil || len(group) != 1 || strings.HasPrefix(group[0], "|") {
		return 0
	}
	for _, c := range q.criteria {
		if c.Of("group-identifier") && len(c.Keys) == 1 && c.Keys[0].Low == c.Keys[0].High {
			return c.Keys[0].Low
		}
	}
	return 0
}
