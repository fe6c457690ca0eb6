package schemas

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/bundle"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/element"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/invariant"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/profile"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// enter returns the scope of v, the resource at the current path.
func (w *walk) enter(v *fhir.Value) element.Scope {
	last := len(w.path) - 1
	switch {
	case last < 0:
		return w.document.Root()
	case last >= 1 && w.path[last].name == "" && w.path[last-1].name == "contained":
		return w.scope.Contained(v)
	case last == 2 && w.path[2].name == "resource" && w.path[0].name == "entry" && w.scope == w.document.Root():
		return w.document.Entry(w.path[1].index)
	}
	return w.scope.Separate(v)
}

// rules holds v against r.
func (w *walk) rules(r *profile.Rules, v *fhir.Value) {
	w.session.Element(w.scope, element.Of(v), "", w.at, r)
	w.collect()
}

// here is the FHIRPath of the current value.
func (w *walk) here() string { return w.expression("") }

// collect takes what the session found.
func (w *walk) collect() {
	if len(w.session.Issues) > 0 {
		w.issues = append(w.issues, w.session.Issues...)
		w.session.Issues = w.session.Issues[:0]
	}
}

// own holds an object of type n against the rules of its type, and an extension against its definition.
func (w *walk) own(n *node, v *fhir.Value) {
	if onlyID(v) && !n.isResource && n.name != "Element" {
		w.broken(invariant.EveryElement())
	}
	if n.rules != nil {
		w.rules(n.rules, v)
	}
	if n.isExtension {
		w.extension(n, v)
	}
}

// onlyID tells an element that says nothing, ele-1.
func onlyID(v *fhir.Value) bool {
	items := v.Items()
	return len(items) == 1 && items[0].Name() == "id"
}

// extension holds an extension against ext-1 and its definition. A modifier extension must be known: it may turn the
// meaning of what it stands on around (FHIR R4 extensibility.html#modifierExtension).
func (w *walk) extension(n *node, v *fhir.Value) {
	hasValue, hasExtension := false, false
	items := v.Items()
	for i := range items {
		m := n.members[items[i].Name()]
		hasValue = hasValue || m != nil && m.isChoice
		hasExtension = hasExtension || items[i].Name() == "extension"
	}
	if hasValue == hasExtension {
		w.broken(invariant.EveryExtension())
	}
	known := w.session.Extension(w.scope, v, w.at, w.contexts()...)
	w.collect()
	if !known && w.holders[len(w.holders)-1].member.element == "modifierExtension" {
		w.report(fhir.CodeExtension, "", "This server does not know the modifier extension, which may change the meaning of what it stands on")
	}
}

// contexts are the names of what the current extension stands on (StructureDefinition.context): of an element its
// type and the place where it stands, of a primitive its type, of an extension its url.
func (w *walk) contexts() []string {
	last := len(w.holders) - 1
	on := w.holders[last]
	switch {
	case on.owner.isResource:
		return []string{on.owner.name, "DomainResource", "Resource", "Element"}
	case on.owner.isExtension:
		return []string{on.value.Get("url").Text(), "Extension", "Element"}
	case last == 0:
		return []string{on.owner.name, "Element"}
	}
	at := w.holders[last-1]
	typ := on.owner.name
	if typ == "Element" { // beside a primitive
		if m := at.owner.members[at.member.property]; m != nil && m.typ != nil {
			typ = m.typ.name
		}
	}
	place := at.owner.name + "." + at.member.element
	contexts := []string{typ, place, "Element"}
	if at.member.isChoice {
		contexts = append(contexts, place+"[x]")
	}
	if strings.Contains(typ, ".") {
		contexts = append(contexts, "BackboneElement")
	}
	return contexts
}

// broken reports a rule that holds everywhere.
func (w *walk) broken(r invariant.Rule) {
	w.issues = append(w.issues, fhir.Issue{
		Severity: r.Severity, Code: fhir.CodeInvariant, Details: r.Human, Expression: w.here(), Rule: r.Key, Source: r.Source,
	})
}

// asResource holds the resource at the current path against the rules of every resource and the profiles it claims.
func (w *walk) asResource(v *fhir.Value) {
	typ := v.ResourceType()
	if typ != "Bundle" && typ != "Binary" && typ != "Parameters" {
		if v.Get("contained") != nil {
			w.containing(v)
		}
		if v.At("text", "div") == nil && !w.isContained() {
			if w.silence++; w.silence == 1 {
				w.silent = w.here()
			}
		}
	}
	claimed := w.claimed(v)
	for _, p := range claimed {
		w.session.Resource(w.scope, v, w.at, p, false)
		w.collect()
	}
	if len(claimed) == 0 && w.isReferral && w.validator.config.Defaults != Off && !w.isContained() {
		if p := w.validator.profiles.Profile(defaultProfile(v)); p != nil {
			w.session.Resource(w.scope, v, w.at, p, w.validator.config.Defaults == Warn)
			w.collect()
		}
	}
}

// claimed are the profiles that v claims and that are held here, but for those that another one derives from: it
// repeats all that they ask.
func (w *walk) claimed(v *fhir.Value) []*profile.Profile {
	items := v.At("meta", "profile").Items()
	if len(items) == 0 {
		return nil
	}
	var held []*profile.Profile
	for i := range items {
		p := w.validator.profiles.Profile(items[i].Text())
		switch {
		case w.full():
			return held
		case isType(items[i].Text(), v.ResourceType()):
		case p == nil:
			w.unknownProfile(i)
		case !slices.Contains(held, p): // there are few hundred
			held = append(held, p)
		}
	}
	if len(held) < 2 {
		return held
	}
	return slices.DeleteFunc(slices.Clone(held), func(p *profile.Profile) bool {
		return slices.ContainsFunc(held, func(other *profile.Profile) bool { return w.validator.profiles.Derives(other, p) })
	})
}

func (w *walk) isContained() bool { return w.scope.Resource != w.scope.Root }

// containing holds a resource against dom-2 to dom-5.
func (w *walk) containing(v *fhir.Value) {
	for _, r := range invariant.EveryResource() {
		if r.Key != narrativeRule && r.Check(invariant.Env{Scope: w.scope}, element.Of(v)) == invariant.Fails {
			w.broken(r)
		}
	}
}

// fhirVersion is that of the types (FHIR R4).
const fhirVersion = "4.0.1"

// narrativeRule is the key of the rule that a resource should have a narrative.
const narrativeRule = "dom-6"

// narratives reports dom-6 once for the whole document: a warning for every resource would hide all others.
func (w *walk) narratives() {
	if w.silence == 0 {
		return
	}
	for _, r := range invariant.EveryResource() {
		if r.Key != narrativeRule {
			continue
		}
		details := r.Human
		if w.silence > 1 {
			details += "; this one has none, nor have " + strconv.Itoa(w.silence-1) + " more"
		}
		w.issues = append(w.issues, fhir.Issue{
			Severity: r.Severity, Code: fhir.CodeInvariant, Details: details, Expression: w.silent, Rule: r.Key, Source: r.Source,
		})
	}
}

// isType tells the canonical URL of a type of resources itself, or of one that all are: a profile that asks what every
// resource of the type is held against anyway. Its version is FHIR's.
func isType(canonical, name string) bool {
	url, version, _ := strings.Cut(canonical, "|")
	typ, found := strings.CutPrefix(url, definitions)
	return found && (typ == name || typ == "DomainResource" || typ == anyResource) && strings.HasPrefix(fhirVersion, version)
}

// unknownProfile reports that the i-th profile that the current resource claims is not held here. It is never
// fetched.
func (w *walk) unknownProfile(i int) {
	w.issues = append(w.issues, fhir.Issue{
		Severity: fhir.SeverityWarning, Code: fhir.CodeNotFound, Rule: "profile-unknown", Source: fhir.OwnRules,
		Details:    "This server does not know the profile, or not this version of it: the resource was not held against it",
		Expression: w.expression("meta") + ".profile[" + strconv.Itoa(i) + "]",
	})
}

// requested holds the document's resource against profiles that the caller names.
func (w *walk) requested(v *fhir.Value, profiles []string) {
	for _, canonical := range profiles {
		if isType(canonical, v.ResourceType()) {
			continue
		}
		p := w.validator.profiles.Profile(canonical)
		if p == nil {
			w.issues = append(w.issues, fhir.Issue{
				Severity: fhir.SeverityError, Code: fhir.CodeNotFound, Rule: "profile-unknown", Source: fhir.OwnRules,
				Details: "This server does not know the profile that was asked for, or not this version of it", Expression: w.here(),
			})
			continue
		}
		w.session.Resource(w.scope, v, w.at, p, false)
		w.collect()
	}
}

// isReferral tells a Bundle with a ServiceRequest that asks for something new.
func isReferral(v *fhir.Value) bool {
	if v.ResourceType() != "Bundle" {
		return false
	}
	b := fhir.AsBundle(v)
	return slices.ContainsFunc(b.Entries, func(e fhir.Entry) bool { return bundle.IsNewRequest(b.Type, e) })
}

// defaultProfile is what a party or request of a referral is held against when it claims nothing: AU Core for the
// parties; for a request AU eRequesting where it asks for pathology or imaging, else AU Base. There is no profile for
// other referrals.
func defaultProfile(v *fhir.Value) string {
	const (
		base = "http://hl7.org.au/fhir/StructureDefinition/"
		core = "http://hl7.org.au/fhir/core/StructureDefinition/au-core-"
		ereq = "http://hl7.org.au/fhir/ereq/StructureDefinition/au-erequesting-"
	)
	switch v.ResourceType() {
	case "Patient":
		return core + "patient"
	case "Practitioner":
		return core + "practitioner"
	case "PractitionerRole":
		return core + "practitionerrole"
	case "Organization":
		return core + "organization"
	case "ServiceRequest":
		for _, category := range element.Of(v).All("category") {
			for _, coding := range category.All("coding") {
				switch {
				case coding.Get("system").Text() != "http://snomed.info/sct":
				case coding.Get("code").Text() == "108252007":
					return ereq + "servicerequest-path"
				case coding.Get("code").Text() == "363679005":
					return ereq + "servicerequest-imag"
				}
			}
		}
		return base + "au-servicerequest"
	}
	return ""
}

// once leaves out what was told already: a profile repeats the rules of the one it derives from, and what is known of
// a number system may be a rule of the identifier's profile, too, which names the identifier and not its value. Of one
// fault that is an error here and a warning there the error is kept. What is said about a malformed value follows from
// that, and is left out too.
func once(issues []fhir.Issue) []fhir.Issue {
	if len(issues) < 2 {
		return issues
	}
	type fault struct{ expression, rule, details string }
	told := make(map[fault]int, len(issues)) // place in kept
	malformed := map[string]bool{}
	kept := issues[:0]
	for _, i := range issues {
		if i.Rule == "" || i.Rule == base64Rule {
			malformed[i.Expression] = malformed[i.Expression] || i.Code == fhir.CodeValue
			kept = append(kept, i)
			continue
		}
		if malformed[i.Expression] {
			continue
		}
		key := fault{strings.TrimSuffix(i.Expression, ".value"), i.Rule, ""}
		if i.Source == fhir.OwnRules || !strings.Contains(i.Rule, "-") { // no invariant: its key alone says little
			key.details = i.Details
		}
		if at, found := told[key]; found {
			if i.Fails() && !kept[at].Fails() {
				kept[at] = i
			}
			continue
		}
		told[key] = len(kept)
		kept = append(kept, i)
	}
	return kept
}
