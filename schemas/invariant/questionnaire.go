package invariant

import "github.com/ausbizconsulting/referral-fhir-server/schemas/element"

// questionnaireRules are the rules of FHIR R4 questionnaire.html and questionnaireresponse.html.
func questionnaireRules() []rule {
	isDisplay, isGroup := is("type", "display"), is("type", "group")
	return []rule{
		{"que-1", "(type='group' implies item.empty().not()) and (type.trace('type')='display' implies item.trace('item').empty())",
			and(implies(isGroup, exists("item")), implies(isDisplay, absent("item")))},
		{"que-2", "descendants().linkId.isDistinct()", linkIDsDistinct},
		{"que-3", "type!='display' or code.empty()", or(not(isDisplay), absent("code"))},
		{"que-4", "answerOption.empty() or answerValueSet.empty()", or(absent("answerOption"), absent("answerValueSet"))},
		{"que-5", "(type ='choice' or type = 'open-choice' or type = 'decimal' or type = 'integer' or type = 'date' or type = 'dateTime' or type = 'time' or type = 'string' or type = 'quantity') or (answerValueSet.empty() and answerOption.empty())",
			or(is("type", "choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"),
				and(absent("answerValueSet"), absent("answerOption")))},
		{"que-6", "type!='display' or (required.empty() and repeats.empty())",
			or(not(isDisplay), and(absent("required"), absent("repeats")))},
		// answer[x] is a boolean, in lower case; Boolean is what an expression yields, and they are not told apart.
		{"que-7", "operator = 'exists' implies (answer is Boolean)",
			implies(is("operator", "exists"), exists("answerBoolean"))},
		{"que-8", "(type!='group' and type!='display') or initial.empty()",
			or(and(not(isGroup), not(isDisplay)), absent("initial"))},
		{"que-9", "type!='display' or readOnly.empty()", or(not(isDisplay), absent("readOnly"))},
		{"que-10", "(type in ('boolean' | 'decimal' | 'integer' | 'string' | 'text' | 'url' | 'open-choice')) or maxLength.empty()",
			or(is("type", "boolean", "decimal", "integer", "string", "text", "url", "open-choice"), absent("maxLength"))},
		{"que-11", "answerOption.empty() or initial.empty()", or(absent("answerOption"), absent("initial"))},
		// The sentence: if there are more than one enableWhen, enableBehavior must be specified.
		{"que-12", "enableWhen.count() > 2 implies enableBehavior.exists()",
			implies(counts(moreThanOne, "enableWhen"), exists("enableBehavior"))},
		{"que-13", "repeats=true or initial.count() <= 1", or(is("repeats", "true"), counts(atMostOne, "initial"))},
		{"qrs-1", "(answer.exists() and item.exists()).not()", not(and(exists("answer"), exists("item")))},
	}
}

// linkIDsDistinct tells whether no linkId stands twice in a Questionnaire.
func linkIDsDistinct(_ Env, e element.Element) answer {
	var seen set
	result := yes
	descendants(e, func(e element.Element) {
		if id := e.Get("linkId"); id.HasValue() && !seen.add(id.Text()) {
			result = no
		}
	})
	return result
}
