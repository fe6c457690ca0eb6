package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// anyResource makes what stands where any resource may: by the profile that a rule names, or one that says little.
func (m *maker) anyResource(rules []rule) any {
	for _, r := range slices.Backward(rules) {
		if len(r.Profiles) > 0 {
			if p := m.library.Profile(r.Profiles[0]); p != nil {
				return m.quietly(func() any { return m.resource(p, aside(p)) })
			}
		}
	}
	return map[string]any{"resourceType": "Basic", "id": "b", "code": map[string]any{"text": "Synthetic"}}
}

// aside is the place of a resource that is not to be broken. Its key is the name of its profile.
func aside(p *profile.Profile) place {
	return place{path: p.Type, key: p.URL[strings.LastIndexByte(p.URL, '/')+1:]}
}

// reference points to what a rule asks for: a contained resource where a slice is told by it, else any id.
func (m *maker) reference(object map[string]any, p property, rules []rule) {
	target := "Basic"
	if len(p.targets) > 0 {
		target = p.targets[0]
	}
	delete(object, "display")
	for _, r := range slices.Backward(rules) {
		if len(r.Targets) == 0 {
			continue
		}
		target = r.Targets[0]
		if other := m.library.Profile(target); other != nil {
			target = other.Type
			if r.Slice != "" && m.quiet == 0 {
				c := m.quietly(func() any { return m.resource(other, aside(other)) }).(map[string]any)
				id := "c" + strconv.Itoa(len(m.contained))
				c["id"] = id
				m.contained = append(m.contained, c)
				object["reference"] = "#" + id
				return
			}
		}
		break
	}
	object["reference"] = target + "/example"
}

// extension has its url from the definition that the rules name.
func (m *maker) extension(object map[string]any, rules []rule) {
	object["url"] = "http://example.org/extensions/synthetic"
	for _, r := range rules {
		if r.owner.Type == "Extension" && r.Element == &r.owner.Root {
			object["url"] = r.owner.URL
		}
	}
}

// link makes the references within a Bundle lead to its entries: to the first of the type, where there is one.
func link(bundle map[string]any) {
	entries, _ := bundle["entry"].([]any)
	urls := map[string]any{}
	for _, e := range entries {
		entry := e.(map[string]any)
		resource, _ := entry["resource"].(map[string]any)
		if typ, _ := resource["resourceType"].(string); urls[typ] == nil {
			urls[typ] = entry["fullUrl"]
		}
	}
	redirect(bundle, urls)
}

// redirect changes each reference in v to a resource of a type in urls.
func redirect(v any, urls map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		if reference, isText := v["reference"].(string); isText {
			typ, _, _ := strings.Cut(reference, "/")
			if url := urls[typ]; url != nil {
				v["reference"] = url
			}
		}
		for _, child := range v {
			redirect(child, urls)
		}
	case []any:
		for _, child := range v {
			redirect(child, urls)
		}
	}
}
