package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// workflowRules are the rules of requests, appointments, plans and tasks.
func workflowRules() []rule {
	return []rule{
		{"prr-1", "orderDetail.empty() or code.exists()", or(absent("orderDetail"), exists("code"))},
		{"inv-1", "lastModified.exists().not() or authoredOn.exists().not() or lastModified >= authoredOn",
			or(absent("lastModified"), absent("authoredOn"), notAfter("authoredOn", "lastModified"))},
		{"nor-1", "oralDiet.exists() or supplement.exists() or enteralFormula.exists()",
			or(exists("oralDiet"), exists("supplement"), exists("enteralFormula"))},
		{"rqg-1", "resource.exists() != action.exists()", xor(exists("resource"), exists("action"))},

		{"app-1", "type.exists() or actor.exists()", or(exists("type"), exists("actor"))},
		{"app-2", "start.exists() = end.exists()", same(exists("start"), exists("end"))},
		{"app-3", "(start.exists() and end.exists()) or (status in ('proposed' | 'cancelled' | 'waitlist'))",
			or(and(exists("start"), exists("end")), is("status", "proposed", "cancelled", "waitlist"))},
		{"app-4", "Appointment.cancelationReason.exists() implies (Appointment.status='no-show' or Appointment.status='cancelled')",
			implies(exists("cancelationReason"), is("status", "no-show", "cancelled"))},
		{"apr-1", "participantType.exists() or actor.exists()", or(exists("participantType"), exists("actor"))},

		{"cpl-3", "detail.empty() or reference.empty()", or(absent("detail"), absent("reference"))},
		{"ctm-1", "onBehalfOf.exists() implies (member.resolve().iif(empty(), true, ofType(Practitioner).exists()))",
			implies(exists("onBehalfOf"), memberIsPractitioner)},
		{"gol-1", "(detail.exists() and measure.exists()) or detail.exists().not()",
			or(absent("detail[x]"), exists("measure"))},
	}
}

// memberIsPractitioner holds also where the member cannot be found.
func memberIsPractitioner(env Env, e element.Element) answer {
	member, _ := env.Resolve(e.Get("member").Get("reference").Text())
	return of(member == nil || member.ResourceType() == "Practitioner")
}
