package compile

import (
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
)

// types keeps what narrows the types that an element may have: fewer variants of a choice, one type of resource where
// any may stand, profiles, targets.
func (c *profileCompiler) types(e *profile.Element, d, base *elementDefinition) {
	if narrowsTypes(e, d, base) {
		for _, t := range d.Type {
			e.Types = append(e.Types, t.Code)
		}
	}
	if len(d.Type) == 1 {
		e.Profiles = profilesOf(d.Type[0])
	}
	for _, t := range d.Type {
		if t.Code == "Reference" && !sameTargets(t, base) {
			for _, target := range t.TargetProfile {
				target, _, _ = strings.Cut(target, "|")
				if isPlain(target) {
					target = strings.TrimPrefix(target, baseURL)
				}
				e.Targets = append(e.Targets, target)
			}
			if slices.Contains(e.Targets, "Resource") {
				e.Targets = nil
			}
		}
	}
}

func narrowsTypes(e *profile.Element, d, base *elementDefinition) bool {
	switch {
	case len(d.Type) == 0 || d.Max == "0" && e.Slice == "":
		return false
	case strings.HasSuffix(e.Name, "[x]"):
		return base == nil || len(d.Type) < len(base.Type)
	case e.Name == "resource" || e.Name == "contained" || e.Name == "outcome":
		return d.Type[0].Code != "Resource" && (base == nil || len(base.Type) == 1 && base.Type[0].Code == "Resource")
	default:
		return false
	}
}

// profilesOf returns what a value of type t must conform to, one of them at least; nil where it need be no more than
// a t.
func profilesOf(t elementType) []string {
	if slices.ContainsFunc(t.Profile, isPlain) {
		return nil
	}
	var urls []string
	for _, url := range t.Profile {
		url, _, _ = strings.Cut(url, "|")
		urls = append(urls, url)
	}
	return urls
}

// variants states the profiles of single variants of a choice as FHIR states all else about one variant: by slices of
// the choice, told apart by type.
func variants(e *profile.Element, d *elementDefinition) {
	choice, isChoice := strings.CutSuffix(e.Name, "[x]")
	if !isChoice || len(d.Type) < 2 {
		return
	}
	for _, t := range d.Type {
		if urls := profilesOf(t); len(urls) > 0 {
			e.Slicing = &profile.Slicing{Discriminators: []profile.Discriminator{{Type: "type", Path: "$this"}}, Rules: "open"}
			e.Slices = append(e.Slices, profile.Element{
				Name: e.Name, Slice: choice + strings.ToUpper(t.Code[:1]) + t.Code[1:], Types: []string{t.Code}, Profiles: urls,
			})
		}
	}
}

// isPlain tells the canonical URL of a type from that of a profile. FHIR's own profiles have names in lower case, but
// for SimpleQuantity and MoneyQuantity, whose rules the schemas of the types have.
func isPlain(url string) bool {
	url, _, _ = strings.Cut(url, "|")
	name, ours := strings.CutPrefix(url, baseURL)
	return ours && name != "" && name[0] >= 'A' && name[0] <= 'Z'
}

func sameTargets(t elementType, base *elementDefinition) bool {
	if base == nil {
		return false
	}
	unversioned := func(a, b string) bool {
		a, _, _ = strings.Cut(a, "|")
		b, _, _ = strings.Cut(b, "|")
		return a == b
	}
	for _, b := range base.Type {
		if b.Code == "Reference" {
			return slices.EqualFunc(b.TargetProfile, t.TargetProfile, unversioned)
		}
	}
	return false
}
