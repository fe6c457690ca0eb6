package invariant

// administrativeRules are the rules of persons, organisations, consent and what surrounds care.
func administrativeRules() []rule {
	return []rule{
		{"pat-1", "name.exists() or telecom.exists() or address.exists() or organization.exists()",
			or(exists("name"), exists("telecom"), exists("address"), exists("organization"))},
		{"org-1 ipn-1", "(identifier.count() + name.count()) > 0", or(exists("identifier"), exists("name"))},
		{"org-2 org-3", "where(use = 'home').empty()", not(one("", is("use", "home")))},
		{"grp-1", "member.empty() or (actual = true)", or(absent("member"), is("actual", "true"))},
		{"lnk-1", "item.count()>1", counts(moreThanOne, "item")},

		{"ppc-1", "policy.exists() or policyRule.exists()", or(exists("policy"), exists("policyRule"))},
		// The system 'something' was never replaced, so that these are never broken. No later release states them.
		{"ppc-2", "patient.exists() or scope.coding.where(system='something' and code='patient-privacy').exists().not()",
			or(exists("patient"), not(coding("scope.coding", "something", "patient-privacy")))},
		{"ppc-3", "patient.exists() or scope.coding.where(system='something' and code='research').exists().not()",
			or(exists("patient"), not(coding("scope.coding", "something", "research")))},
		{"ppc-4", "patient.exists() or scope.coding.where(system='something' and code='adr').exists().not()",
			or(exists("patient"), not(coding("scope.coding", "something", "adr")))},
		{"ppc-5", "patient.exists() or scope.coding.where(system='something' and code='treatment').exists().not()",
			or(exists("patient"), not(coding("scope.coding", "something", "treatment")))},

		{"sev-1", "name.empty() or query.empty()", or(absent("name"), absent("query"))},
		{"ces-1", "category.exists() xor productOrService.exists()", xor(exists("category"), exists("productOrService"))},
	}
}
