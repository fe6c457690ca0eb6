package query

import (
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
)

// describe serves the OpenAPI description to everybody: it tells of no tenant.
func (s *Server) describe(w *fhirhttp.Response, _ *http.Request) error {
	fhirhttp.WriteAs(w, http.StatusOK, "application/yaml", s.openAPI())
	return nil
}

// openAPI is made from the table that routes are compared with, in the terms of OpenAPI 3.1.
func openAPI(c Config) []byte {
	paths := yamlMap{}
	for _, e := range endpoints() {
		method, path := e.split()
		operation := yamlField{strings.ToLower(method), e.openAPI()}
		i := slices.IndexFunc(paths, func(f yamlField) bool { return f.name == path })
		if i < 0 {
			i, paths = len(paths), append(paths, yamlField{path, pathParameters(path)})
		}
		paths[i].value = append(paths[i].value.(yamlMap), operation)
	}
	text := yamlMap{{"type", "string"}}
	b, err := yaml.Marshal(yamlMap{
		{"openapi", "3.1.0"},
		{"info", yamlMap{
			{"title", "Referral FHIR Server"}, {"version", c.Version},
			{"description", "Referral intake in FHIR R4. /fhir/metadata says more about FHIR. HEAD is served wherever GET is. Errors are OperationOutcomes."},
		}},
		{"servers", []yamlMap{{{"url", c.BaseURL.String()}}}},
		{"security", []yamlMap{{{"key", []yamlMap{}}}, {{"token", []yamlMap{}}}}},
		{"paths", paths},
		{"components", yamlMap{
			{"securitySchemes", yamlMap{
				{"key", yamlMap{{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}}},
				{"token", yamlMap{{"type", "http"}, {"scheme", "bearer"}}},
			}},
			{"parameters", yamlMap{
				{"format", queryParameter("_format", text)},
				{"pretty", queryParameter("_pretty", yamlMap{{"type", "boolean"}})},
				{"summary", queryParameter("_summary", yamlMap{{"type", "string"}, {"enum", []string{"true", "text", "data", "count", "false"}}})},
				{"elements", queryParameter("_elements", text)},
			}},
			{"responses", yamlMap{{"Error", yamlMap{
				{"description", "An OperationOutcome that says what is wrong and what to do instead"}, {"content", content(fhirJSON)},
			}}}},
		}},
	})
	if err != nil {
		panic("query: a description of strings encodes: " + err.Error())
	}
	return b
}

// openAPI is the Operation Object of e.
func (e endpoint) openAPI() yamlMap {
	method, path := e.split()
	status, meaning, _ := strings.Cut(e.answers, " ")
	media := e.media
	if media == "" {
		media = fhirJSON
	}
	o := yamlMap{{"summary", e.summary}}
	var parameters []yamlMap
	for _, name := range e.parameters {
		parameters = append(parameters, queryParameter(name, yamlMap{{"type", "string"}}))
	}
	if method == http.MethodGet && strings.HasPrefix(path, "/fhir/") {
		names := formParameters()
		if e.interactions == nil && e.operation == "" {
			names = names[:2] // what has no resources to cut down
		}
		for _, name := range names {
			parameters = append(parameters, yamlMap{{"$ref", "#/components/parameters/" + name[1:]}})
		}
	}
	if parameters != nil {
		o = append(o, yamlField{"parameters", parameters})
	}
	if e.takes != nil {
		o = append(o, yamlField{"requestBody", yamlMap{{"content", content(e.takes...)}}})
	}
	o = append(o, yamlField{"responses", yamlMap{
		{status, yamlMap{{"description", meaning}, {"content", content(media)}}},
		{"default", yamlMap{{"$ref", "#/components/responses/Error"}}},
	}})
	if e.open {
		o = append(o, yamlField{"security", []yamlMap{}})
	}
	return o
}

// pathParameters is the beginning of a Path Item Object.
func pathParameters(path string) yamlMap {
	var parameters []yamlMap
	for part := range strings.SplitSeq(path, "/") {
		if name, found := strings.CutPrefix(part, "{"); found {
			parameters = append(parameters, yamlMap{
				{"name", strings.TrimSuffix(name, "}")}, {"in", "path"}, {"required", true}, {"schema", yamlMap{{"type", "string"}}},
			})
		}
	}
	if parameters == nil {
		return yamlMap{}
	}
	return yamlMap{{"parameters", parameters}}
}

func queryParameter(name string, schema yamlMap) yamlMap {
	return yamlMap{{"name", name}, {"in", "query"}, {"schema", schema}}
}

// content is a map of media types, of whose bodies FHIR says more than a schema here could.
func content(types ...string) yamlMap {
	m := yamlMap{}
	for _, name := range types {
		m = append(m, yamlField{name, yamlMap{}})
	}
	return m
}
