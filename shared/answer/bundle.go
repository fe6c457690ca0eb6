package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// MaxBytes is what an answer has at most, about: as much as a page of results.
const MaxBytes = 4 << 20

// bundle is one of type batch-response, transaction-response or searchset (FHIR R4 bundle.html).
type bundle struct {
	ResourceType string  `json:"resourceType"`
	ID           string  `json:"id,omitempty"`
	Type         string  `json:"type"`
	Total        *int    `json:"total,omitempty"`
	Entry        []entry `json:"entry,omitempty"`
}

type entry struct {
	FullURL  string          `json:"fullUrl,omitempty"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Search   *search         `json:"search,omitempty"`
	Response *response       `json:"response,omitempty"`
}

type search struct {
	Mode string `json:"mode"`
}

type response struct {
	Status       string          `json:"status"`
	Location     string          `json:"location,omitempty"`
	ETag         string          `json:"etag,omitempty"`
	LastModified string          `json:"lastModified,omitempty"`
	Outcome      json.RawMessage `json:"outcome,omitempty"`
}

// status is the Bundle of the status URL.
func (v *view) status() (bundle, error) {
	whole := v.whole()
	left := v.room()
	e, err := v.entry(whole, &left)
	if err != nil {
		return bundle{}, err
	}
	switch {
	case v.response != nil:
		e.Resource = v.response
	case !single(v.Submission) && v.State == referral.Completed:
		inner, err := v.entries("")
		if err != nil {
			return bundle{}, err
		}
		if e.Resource, err = encode(inner); err != nil {
			return bundle{}, err
		}
	}
	return bundle{ResourceType: "Bundle", ID: v.CanonicalID(v.Submission), Type: "batch-response", Entry: []entry{e}}, nil
}

// entries is the Bundle that answers a Bundle, with an entry for each of the request's.
func (v *view) entries(id string) (bundle, error) {
	b := bundle{ResourceType: "Bundle", ID: id, Type: "transaction-response"}
	if v.BundleType == "batch" {
		b.Type = "batch-response"
	}
	left := v.room()
	for _, a := range v.answers {
		e, err := v.entry(a, &left)
		if err != nil {
			return bundle{}, err
		}
		b.Entry = append(b.Entry, e)
	}
	return b, nil
}

// entryBytes are those of an entry without its resource, outcome and location, and a match without its resource.
const (
	entryBytes = 512
	matchBytes = 256
)

// room is how many bytes there are for resources and outcomes beside the entries themselves.
func (v *view) room() int {
	left := MaxBytes
	for _, a := range v.answers {
		left -= entryBytes + 2*len(a.Version) + matchBytes*len(a.Matches)
	}
	return left
}

// take tells whether content fits into what is left, of which it is then taken.
func take(left *int, content []byte) bool {
	if len(content) > *left {
		return false
	}
	*left -= len(content)
	return true
}

// entry is that of a; what it shows is taken from left.
func (v *view) entry(a referral.Answer, left *int) (entry, error) {
	e := entry{Response: &response{Status: statusLine(a.Status), Outcome: a.Outcome}}
	if a.Version != "" {
		e.Response.ETag, e.Response.LastModified = etag(a.Version), formatInstant(v.lastModified(a))
		if a.Status != http.StatusNoContent && !a.Read {
			e.Response.Location = a.Version
		}
	}
	switch {
	case a.Status >= http.StatusBadRequest:
		e.Response.Outcome = failed(a)
	case v.prefer == referral.ReturnOutcome && !a.Read && !searched(a) && (a.Version != "" || a.Status == http.StatusNoContent):
		e.Response.Outcome = told(a)
	}
	if !take(left, e.Response.Outcome) {
		e.Response.Outcome = unsaid()
	}
	if searched(a) {
		var err error
		e.Resource, err = encode(v.searchset(a.Matches, left))
		return e, err
	}
	if !v.showsResource(a) {
		return e, nil
	}
	version, ok := v.versions[a.Version]
	resource := version.JSON()
	if !ok || !single(v.Submission) && !take(left, resource) {
		e.Response.Location, e.Response.Outcome = a.Version, leftOut()
		return e, nil
	}
	e.Resource = resource // without a fullUrl: two entries may show one version, and bdl-7 asks for different ones
	return e, nil
}

// searchset is the answer to a search that stood in a Bundle. What it found, it found then: the versions of that time.
func (v *view) searchset(matches []string, left *int) bundle {
	total := len(matches)
	b := bundle{ResourceType: "Bundle", Type: "searchset", Total: &total}
	omitted := false
	for _, name := range matches {
		version, ok := v.versions[name]
		resource := version.JSON()
		if !ok || !take(left, resource) {
			omitted = true
			continue
		}
		b.Entry = append(b.Entry, entry{FullURL: v.fullURL(name), Resource: resource, Search: &search{"match"}})
	}
	if omitted {
		b.Entry = append(b.Entry, entry{Resource: matchesLeftOut(), Search: &search{"outcome"}})
	}
	return b
}

// fullURL is the address of the resource that a version is of.
func (v *view) fullURL(name string) string {
	resource, _, _ := strings.Cut(name, "/_history/")
	return v.address(resource)
}

// lastModified is when the version of a was written: by the submission itself, unless a says otherwise.
func (v *view) lastModified(a referral.Answer) time.Time {
	if a.LastModified != nil {
		return *a.LastModified
	}
	return v.SettledAt
}

// formatInstant writes FHIR R4 datatypes.html#instant.
func formatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// encode is json.Marshal without the escapes that only HTML needs: resources stand as they were written.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
