package compile

// baseRules are the invariants of the types themselves, by key and expression: some packages repeat them without
// saying whose they are.
func (d *Definitions) baseRules() map[string]bool {
	if d.rules != nil {
		return d.rules
	}
	d.rules = map[string]bool{}
	for _, s := range d.structures {
		if s.Derivation == "constraint" {
			continue
		}
		for _, e := range s.Snapshot.Element {
			for _, c := range e.Constraint {
				d.rules[c.Key+" "+c.Expression] = true
			}
		}
	}
	return d.rules
}
