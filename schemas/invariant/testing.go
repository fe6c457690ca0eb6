package invariant

// testingRules are the rules of TestScript and TestReport.
func testingRules() []rule {
	asserts := []string{"contentType", "expression", "headerField", "minimumId", "navigationLinks", "path", "requestMethod",
		"resource", "responseCode", "response", "validateProfileId"}
	oneTarget := or(exists("sourceId"), counts(exactly(1), "targetId", "url", "params"),
		is("type.code", "capabilities", "search", "transaction", "history"))
	return []rule{
		{"inv-1 inv-2 tst-1 tst-2", "operation.exists() xor assert.exists()", xor(exists("operation"), exists("assert"))},
		{"tst-3", "expression.empty() or headerField.empty() or path.empty()",
			or(absent("expression"), absent("headerField"), absent("path"))},
		{"tst-4", "capability.required.exists() or capability.validated.exists()",
			or(exists("capability.required"), exists("capability.validated"))},
		{"tst-5 tst-6", "extension.exists() or (contentType.count() + expression.count() + headerField.count() + minimumId.count() + navigationLinks.count() + path.count() + requestMethod.count() + resource.count() + responseCode.count() + response.count() + validateProfileId.count() <=1)",
			or(exists("extension"), counts(atMostOne, asserts...))},
		{"tst-7", "sourceId.exists() or (targetId.count() + url.count() + params.count() = 1) or (type.code in ('capabilities' |'search' | 'transaction' | 'history'))", oneTarget},
		{"tst-8 tst-9", "sourceId.exists() or (targetId.count() + url.count() + params.count() = 1) or (type.code in ('capabilities' | 'search' | 'transaction' | 'history'))", oneTarget},
		{"tst-10 tst-11", "compareToSourceId.empty() xor (compareToSourceExpression.exists() or compareToSourcePath.exists())",
			xor(absent("compareToSourceId"), or(exists("compareToSourceExpression"), exists("compareToSourcePath")))},
		{"tst-12 tst-13", "(response.empty() and responseCode.empty() and direction = 'request') or direction.empty() or direction = 'response'",
			or(and(absent("response"), absent("responseCode"), is("direction", "request")), absent("direction"), is("direction", "response"))},
	}
}
