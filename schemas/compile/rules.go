package compile

// isBaseRule tells a rule of a type from one that a profile adds: by its source, or by what the types themselves say.
func (d *Definitions) isBaseRule(rule constraint) bool {
	return isPlain(rule.Source) || d.isStatedByType(rule)
}

func (d *Definitions) isStatedByType(rule constraint) bool {
	return d.baseRules()[rule.Key+" "+rule.Expression]
}

// baseRules are the invariants of the types themselves, by key and expression: some profiles repeat them without
// saying whose they are, or as their own.
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
