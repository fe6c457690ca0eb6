package query

import (
	"net/url"
	"slices"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/r4"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

// shape is how much of each resource a caller wants: _summary and _elements (FHIR R4 search.html#summary, #elements).
// The zero value is all of it, as it was written.
type shape struct {
	summary  string   // true, text, data or count; empty: no summary
	elements []string // such as name or Patient.name; nil: not asked for
}

// formParameters say how an answer looks, not what it holds: every read, history and search takes them. fhirhttp reads the
// first two.
func formParameters() []string { return []string{"_format", "_pretty", "_summary", "_elements"} }

// takeForm takes formParameters out of values.
func takeForm(values url.Values) url.Values {
	form := url.Values{}
	for _, name := range formParameters() {
		if given, ok := values[name]; ok {
			form[name] = given
			delete(values, name)
		}
	}
	return form
}

// parseShape reads _summary and _elements. Errors are *fhir.Error with code value.
func parseShape(values url.Values) (shape, error) {
	var s shape
	switch summary := values.Get("_summary"); summary {
	case "", "false":
	case "true", "text", "data", "count":
		s.summary = summary
	default:
		return shape{}, fhir.NewError(fhir.CodeValue, "", "_summary is true, text, data, count or false")
	}
	for name := range strings.SplitSeq(strings.Join(values["_elements"], ","), ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.elements = append(s.elements, name)
		}
	}
	if len(values["_summary"]) > 1 || s.summary != "" && s.elements != nil {
		return shape{}, fhir.NewError(fhir.CodeValue, "", "_summary stands once, and not together with _elements")
	}
	return s, nil
}

// parseResourceShape is parseShape where there is nothing to count.
func parseResourceShape(values url.Values) (shape, error) {
	s, err := parseShape(values)
	if s.counts() {
		return shape{}, fhir.NewError(fhir.CodeValue, "", "_summary=count is for searches and histories; of a resource it is true, text, data or false")
	}
	return s, err
}

// counts tells that only the number of resources is wanted.
func (s shape) counts() bool { return s.summary == "count" }

// subsetted marks what lacks elements (FHIR R4 search.html#summary).
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// resource returns v as JSON in the shape. Whole, it is not even parsed.
func (s shape) resource(v postgres.Version) ([]byte, error) {
	whole := v.JSON()
	if s.summary == "" && s.elements == nil {
		return whole, nil
	}
	resource, err := fhir.Parse(whole, v.Type, fhir.Limits{})
	if err != nil {
		return nil, err
	}
	content := resource.Subset(v.Type, s.keep)
	if contained := s.contained(resource, content); contained != "" {
		content = strings.TrimPrefix(content+","+contained, ",")
	}
	meta, tags := resource.Get("meta"), subsetted
	if written := meta.Subset("", only("tag")); written != "" {
		tags = strings.TrimSuffix(strings.TrimPrefix(written, `"tag":[`), "]") + "," + tags
	}
	b := []byte(`{"resourceType":"` + v.Type + `","id":"` + v.ID + `","meta":{` + meta.Subset("", except("tag")) + `,"tag":[` + tags + `]}`)
	if content != "" {
		b = append(append(b, ','), content...)
	}
	return append(b, '}'), nil
}

// keep is fhir.Keep of the shape. What every resource begins with, and what is contained, is seen to by resource.
func (s shape) keep(owner, name string) (inside string, keep bool) {
	_, isRoot := search.Params(owner)
	if isRoot && (name == "resourceType" || name == "id" || name == "meta" || name == "contained") {
		return "", false
	}
	if s.summary == "data" {
		return "", !isRoot || name != "text"
	}
	e, known := r4.Elements(owner)[name]
	switch s.summary {
	case "true":
		return e.Owner, known || !isRoot && name == "id"
	case "text":
		return "", e.Mandatory || name == "text"
	default:
		return "", e.Mandatory || slices.ContainsFunc(s.elements, func(asked string) bool { return names(asked, owner, name) })
	}
}

// names tells whether asked, such as value, deceased or Patient.name, means the element of resourceType called name.
func names(asked, resourceType, name string) bool {
	if of, element, qualified := strings.Cut(asked, "."); qualified {
		if of != resourceType {
			return false
		}
		asked = element
	}
	rest, found := strings.CutPrefix(name, strings.TrimSuffix(asked, "[x]"))
	return found && (rest == "" || 'A' <= rest[0] && rest[0] <= 'Z') // a variant of a choice
}

// contained returns the member contained with those resources that content refers to, and that these refer to: what
// points nowhere and what nothing points to are both no FHIR (FHIR R4 domainresource.html, dom-3).
func (s shape) contained(resource *fhir.Value, content string) string {
	all := s.summary == "data" || slices.ContainsFunc(s.elements, func(asked string) bool { return names(asked, resource.ResourceType(), "contained") })
	inside := resource.Get("contained").Items()
	texts, kept := make([]string, len(inside)), make([]bool, len(inside))
	for i := range inside {
		texts[i], kept[i] = "{"+inside[i].Subset("", except(""))+"}", all
	}
	referring := content
	for grown := true; grown; {
		grown = false
		for i := range inside {
			if !kept[i] && strings.Contains(referring, `"#`+inside[i].Get("id").Text()+`"`) {
				kept[i], grown, referring = true, true, referring+texts[i]
			}
		}
	}
	var list []string
	for i, text := range texts {
		if kept[i] {
			list = append(list, text)
		}
	}
	if list == nil {
		return ""
	}
	return `"contained":[` + strings.Join(list, ",") + `]`
}

func only(wanted string) fhir.Keep {
	return func(_, name string) (string, bool) { return "", name == wanted }
}

func except(unwanted string) fhir.Keep {
	return func(_, name string) (string, bool) { return "", name != unwanted }
}
