package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// conforming makes an instance of p, and leaves out what is at fault until nothing is. It returns what is worth saying
// of the instance nevertheless, too.
func conforming(m *maker, p *profile.Profile, log io.Writer) (map[string]any, []fhir.Issue, error) {
	v := schemas.New(schemas.Config{Defaults: schemas.Off})
	without := map[string]bool{}
	for {
		instance := m.instance(p, without)
		issues, err := checked(v, instance)
		if err != nil {
			return nil, nil, err
		}
		faults := slices.DeleteFunc(slices.Clone(issues), func(i fhir.Issue) bool { return !i.Fails() })
		if len(faults) == 0 {
			return instance, issues, nil
		}
		key := ""
		for _, fault := range faults {
			if key = m.optional(fault.Expression); key != "" {
				fmt.Fprintf(log, "%s leaves out %s: %s %s\n", p.Name, key, fault.Expression, fault.Details)
				break
			}
		}
		if key == "" {
			return nil, nil, fmt.Errorf("no conforming instance: %s %s: %s", faults[0].Expression, faults[0].Rule, faults[0].Details)
		}
		without[key] = true
	}
}

// optional returns the key of the innermost element at or around expression that may be left out; "" for none.
func (m *maker) optional(expression string) string {
	var found spot
	for _, s := range m.spots {
		at := strings.TrimSuffix(s.path, "[0]")
		inside := expression == at || expression == s.path || strings.HasPrefix(expression, s.path+".")
		if inside && s.pointer != "" && !s.required && len(s.path) > len(found.path) && !m.without[s.key] {
			found = s
		}
	}
	return found.key
}

// checked returns what the check finds in an instance.
func checked(v *schemas.Validator, instance map[string]any) ([]fhir.Issue, error) {
	data, err := json.Marshal(instance)
	if err != nil {
		return nil, err
	}
	document, err := fhir.Parse(data, "Resource", fhir.Limits{})
	if err != nil {
		return nil, err
	}
	return v.Check(document, ""), nil
}
