package ingest

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// validation is what a call of $validate asks for (FHIR R4 resource-operation-validate.html).
type validation struct {
	resource *fhir.Value
	profiles []string // beside those that the resource claims
	mode     string   // "", create, update, delete or profile
}

// validate answers $validate with an OperationOutcome, 200 also for a resource that is wrong; nothing is queued or
// kept. What the gate refuses is no resource: 400, as for a submission. With mode create a Bundle is also held
// against what this server accepts as a submission.
func (s *Server) validate(w *fhirhttp.Response, r *http.Request) error {
	if _, err := s.admit(w, r); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fhir.NewError(fhir.CodeInvalid, "", "The query of the URL cannot be read")
	}
	body, _, err := fhirhttp.ReadBody(w, r, "Resource", s.MaxBody)
	if err != nil {
		return err
	}
	end, err := s.work.begin(r.Context(), body)
	if err != nil {
		return err
	}
	defer end()
	document, err := fhir.Parse(body, "Resource", fhir.Limits{})
	if err != nil {
		return err
	}
	v, err := readValidation(document, query)
	if err != nil {
		return err
	}
	if want := r.PathValue("type"); want != "" && v.resource.ResourceType() != want {
		return fhir.NewError(fhir.CodeInvalid, "", "The resource is of another type than the URL says")
	}
	issues := s.Schemas.Check(v.resource, "", v.profiles...)
	if v.mode == "create" && v.resource.ResourceType() == "Bundle" && !isMalformed(issues) {
		issues = s.intakeIssues(fhir.AsBundle(v.resource), issues)
	}
	if !anyFails(issues) {
		issues = append(issues, fhir.Issue{
			Severity: fhir.SeverityInformation, Code: fhir.CodeInformational, Details: "No errors were found.",
		})
	}
	fhirhttp.Write(w, http.StatusOK, fhir.Outcome(issues))
	return nil
}

// readValidation takes the resource and what to hold it against from the parameters of a Parameters, else from the
// query. A Parameters without a parameter called resource is itself what is validated.
func readValidation(document *fhir.Value, query url.Values) (validation, error) {
	v := validation{resource: document, profiles: query["profile"], mode: query.Get("mode")}
	if document.ResourceType() == "Parameters" {
		parameters := document.Get("parameter").Items()
		for i := range parameters {
			if parameters[i].Get("name").Text() == "resource" && parameters[i].Get("resource") != nil {
				v.fromParameters(parameters)
				break
			}
		}
	}
	switch {
	case !slices.Contains([]string{"", "create", "update", "delete", "profile"}, v.mode):
		return v, fhir.NewError(fhir.CodeValue, "", "mode is create, update, delete or profile")
	case v.mode == "delete":
		return v, fhir.NewError(fhir.CodeNotSupported, "", "$validate does not tell whether a resource may be deleted")
	case v.mode == "profile" && len(v.profiles) == 0:
		return v, fhir.NewError(fhir.CodeRequired, "", "mode profile names the profile")
	}
	return v, nil
}

func (v *validation) fromParameters(parameters []fhir.Value) {
	for i := range parameters {
		p := &parameters[i]
		switch p.Get("name").Text() {
		case "resource":
			v.resource = p.Get("resource")
		case "mode":
			if v.mode = p.Get("valueCode").Text(); v.mode == "" {
				v.mode = "not a code" // refused as any other that is unknown
			}
		case "profile":
			for _, name := range []string{"valueUri", "valueCanonical"} {
				if canonical := p.Get(name).Text(); canonical != "" {
					v.profiles = append(v.profiles, canonical)
				}
			}
		}
	}
}
