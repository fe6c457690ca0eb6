package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// lines returns the fields of each line of a file of testdata/searches, without comments.
func lines(t testing.TB, name string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "searches", name))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			all = append(all, fields)
		}
	}
	return all
}

// searches tries each search that the two CapabilityStatements name: it finds the resource, it does not when any one of
// its values is another, and the server's own CapabilityStatement declares it.
func (s stack) searches(t *testing.T) {
	ids := s.searchable(t)
	replace := []string{}
	for name, id := range ids {
		replace = append(replace, "{"+name+"}", id)
	}
	ask := func(resourceType string, query url.Values) *fhir.Value {
		t.Helper()
		a, err := s.send(t.Context(), http.MethodGet, "/fhir/"+resourceType+"?"+query.Encode(), nil, "")
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s?%s: got %d %s, %v", resourceType, query.Encode(), a.status, a.body, err)
		}
		s.bodies.add("search "+resourceType, a)
		return document(t, a.body)
	}
	values := map[string][2]string{}
	for _, line := range lines(t, "values.txt") {
		values[line[0]+" "+line[1]] = [2]string{line[2], line[3]}
	}
	value := func(resourceType, param string, which int) string {
		t.Helper()
		v, ok := values[resourceType+" "+param]
		if !ok {
			v, ok = values["* "+param]
		}
		if !ok {
			t.Fatalf("values.txt has no value of %s %s", resourceType, param)
		}
		return strings.NewReplacer(append(replace, "{*}", ids[resourceType])...).Replace(v[which])
	}
	finds := func(resourceType string, query url.Values) bool {
		t.Helper()
		query.Set("_count", "100")
		return names(ask(resourceType, query), "match")[resourceType+"/"+ids[resourceType]]
	}
	declared := document(t, s.get(t, "/fhir/metadata"))
	for _, line := range lines(t, "searches.txt") {
		resourceType, params := line[0], line[1:]
		for miss := -1; miss < len(params); miss++ { // which of the values is another
			query := url.Values{}
			for i, p := range params {
				which := 0
				if i == miss {
					which = 1
				}
				query.Set(p, value(resourceType, p, which))
			}
			if got := finds(resourceType, query); got != (miss < 0) {
				t.Errorf("%s?%s: found %v, want %v", resourceType, query.Encode(), got, miss < 0)
			}
		}
		for _, p := range params {
			if !declares(declared, resourceType, "searchParam", p) {
				t.Errorf("%s: the CapabilityStatement does not declare %s", resourceType, p)
			}
		}
	}
	for _, line := range lines(t, "includes.txt") {
		resourceType, included := line[0], line[3]
		id := map[string]string{"_include": ids[resourceType], "_revinclude": ids["Task:whole"]}[line[1]]
		got := names(ask(resourceType, url.Values{"_id": {id}, line[1]: {line[2]}}), "include")
		if len(got) != 1 || !got[included+"/"+ids[included]] {
			t.Errorf("%s %s=%s: got %v, want the %s", resourceType, line[1], line[2], got, included)
		}
		if got := names(ask(resourceType, url.Values{"_id": {id}}), "include"); len(got) != 0 {
			t.Errorf("%s without %s: got %v", resourceType, line[1], got)
		}
		list := map[string]string{"_include": "searchInclude", "_revinclude": "searchRevInclude"}[line[1]]
		if !declares(declared, resourceType, list, line[2]) {
			t.Errorf("%s: the CapabilityStatement does not declare %s in %s", resourceType, line[2], list)
		}
	}
	for resourceType, id := range ids {
		if strings.Contains(resourceType, ":") {
			continue
		}
		for _, code := range []string{"read", "search-type", "create", "update"} {
			if !declares(declared, resourceType, "interaction", code) {
				t.Errorf("%s: the CapabilityStatement does not declare %s", resourceType, code)
			}
		}
		if got := document(t, s.get(t, "/fhir/"+resourceType+"/"+id)).Get("id").Text(); got != id {
			t.Errorf("read of %s/%s: got %s", resourceType, id, got)
		}
	}
}

// searchable sends testdata/searches/resources.json and returns the id of each type's first resource, and of the whole
// that the Task is part of.
func (s stack) searchable(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "searches", "resources.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.send(t.Context(), http.MethodPost, "/fhir", nil, string(text))
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s, %v", a.status, a.body, err)
	}
	ids := map[string]string{}
	for _, entry := range document(t, a.body).Get("entry").Items() {
		location := entry.At("response", "location").Text()
		parts := strings.Split(strings.TrimPrefix(location, s.base+"/fhir/"), "/")
		if len(parts) < 2 {
			t.Fatalf("got location %q", location)
		}
		if _, ok := ids[parts[0]]; ok {
			parts[0] += ":whole"
		}
		ids[parts[0]] = parts[1]
	}
	return ids
}

func (s stack) get(t *testing.T, target string) []byte {
	t.Helper()
	a, err := s.send(t.Context(), http.MethodGet, target, nil, "")
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%s: got %d %s, %v", target, a.status, a.body, err)
	}
	return a.body
}

func document(t testing.TB, body []byte) *fhir.Value {
	t.Helper()
	v, err := fhir.Parse(body, "", fhir.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return v
}

// names are the entries of a searchset with a mode, as Type/id.
func names(bundle *fhir.Value, mode string) map[string]bool {
	found := map[string]bool{}
	for _, entry := range bundle.Get("entry").Items() {
		if entry.At("search", "mode").Text() == mode {
			r := entry.Get("resource")
			found[r.ResourceType()+"/"+r.Get("id").Text()] = true
		}
	}
	return found
}

// declares tells whether a list of a type in a CapabilityStatement has an item: by its name, its code or itself.
func declares(statement *fhir.Value, resourceType, list, item string) bool {
	return slices.ContainsFunc(statement.At("rest", "resource").Items(), func(r fhir.Value) bool {
		return r.Get("type").Text() == resourceType && slices.ContainsFunc(r.Get(list).Items(), func(v fhir.Value) bool {
			return v.Text() == item || v.Get("name").Text() == item || v.Get("code").Text() == item
		})
	})
}

// requirement is the part of a CapabilityStatement that says what a server owes, in JSON and in XML.
type requirement struct {
	Rest []struct {
		Resource []struct {
			Type             attribute     `xml:"type"`
			SearchParam      []named       `xml:"searchParam"`
			SearchInclude    []attribute   `xml:"searchInclude"`
			SearchRevInclude []attribute   `xml:"searchRevInclude"`
			Extension        []combination `xml:"extension"`
		} `xml:"resource"`
	} `xml:"rest"`
}

type named struct {
	Name attribute `xml:"name"`
}

type combination struct {
	URL       string `xml:"url,attr"`
	Extension []struct {
		URL         string    `xml:"url,attr"`
		ValueString attribute `xml:"valueString"`
	} `xml:"extension"`
}

// attribute is a primitive: a string in JSON, the attribute value in XML.
type attribute struct {
	Value string `xml:"value,attr"`
}

func (a *attribute) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &a.Value) }

// TestSearchesAreThoseOfTheStatements compares testdata/searches with the published CapabilityStatements, whatever they
// say of it: SHALL, SHOULD or MAY.
func TestSearchesAreThoseOfTheStatements(t *testing.T) {
	folder := filepath.Join("..", "..", "..", "shared", "fhir", "packages")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		t.Skip("the published packages are not beside this repository")
	}
	want := map[string]bool{}
	for name, unmarshal := range map[string]func([]byte, any) error{
		"au-core-2.0.0/CapabilityStatement-au-core-responder.json":       json.Unmarshal,
		"au-ereq-1.0.1-ci/CapabilityStatement-au-erequesting-server.xml": xml.Unmarshal,
	} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		var r requirement
		if err := unmarshal([]byte(strings.TrimPrefix(string(text), "\ufeff")), &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, resource := range r.Rest[0].Resource {
			for _, p := range resource.SearchParam {
				want[resource.Type.Value+" "+p.Name.Value] = true
			}
			for _, i := range resource.SearchInclude {
				want[fmt.Sprintf("%s _include %s", resource.Type.Value, i.Value)] = true
			}
			for _, i := range resource.SearchRevInclude {
				want[fmt.Sprintf("%s _revinclude %s", resource.Type.Value, i.Value)] = true
			}
			for _, e := range resource.Extension {
				if !strings.HasSuffix(e.URL, "search-parameter-combination") {
					continue
				}
				var params []string
				for _, part := range e.Extension {
					if part.URL == "required" {
						params = append(params, part.ValueString.Value)
					}
				}
				slices.Sort(params)
				want[resource.Type.Value+" "+strings.Join(params, " ")] = true
			}
		}
	}
	if len(want) < 120 {
		t.Errorf("got %d rows of the statements, want more", len(want))
	}
	for _, line := range append(lines(t, "searches.txt"), lines(t, "includes.txt")...) {
		if len(line) > 2 && strings.HasSuffix(line[1], "include") {
			line = line[:3]
		}
		delete(want, strings.Join(line, " "))
	}
	for row := range want {
		t.Errorf("testdata/searches lacks %s", row)
	}
}
