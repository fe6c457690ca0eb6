package invariant

// Everywhere returns the rules that no table states: expressions by key.
func Everywhere() map[string]string {
	expressions := map[string]string{}
	for _, r := range everywhereRules() {
		expressions[r.keys] = r.expression
	}
	return expressions
}

// WithoutSiblings lets the test with the engine give it what Engine does.
func WithoutSiblings(v any) any {
	plain, _ := withoutSiblings(v)
	return plain
}
