package answer_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func packed(body []byte) []byte {
	var m queue.Message
	m.Pack(body)
	return m.Body
}

// TestResponseMessage sends an example and looks at who answers whom, and what.
func TestResponseMessage(t *testing.T) {
	body, err := os.ReadFile("../../testdata/referrals/referral-message.json")
	if err != nil {
		t.Fatal(err)
	}
	request := fhir.AsBundle(parse(t, body))
	stored := newStore()
	stored.original = packed(body)
	a := answers(t, stored)
	warned := submission("message")
	warned.Resources, warned.Outcome = []string{one}, warning
	for name, test := range map[string]struct {
		s        postgres.Submission
		code     string
		severity string // of the details, none when empty
		entry    string // of the status URL
	}{
		"ok":       {submission("message"), "ok", "", "200 OK"},
		"warned":   {warned, "ok", "warning", "200 OK"},
		"rejected": {rejected("message", conflict), "fatal-error", "error", "409 Conflict"},
	} {
		r, err := a.Reply(t.Context(), test.s, referral.ReturnMinimal)
		if err != nil || r.Status != http.StatusOK {
			t.Fatalf("%s: got %+v, %v", name, r, err)
		}
		response := parse(t, r.Body)
		entries := response.Get("entry").Items()
		header := entries[0].Get("resource")
		if got := entries[0].Get("fullUrl").Text(); got != "urn:uuid:"+header.Get("id").Text() {
			t.Errorf("%s: got fullUrl %s for %s", name, got, header.Get("id").Text())
		}
		asked := request.Entries[0].Resource
		for what, pair := range map[string][2]string{
			"resourceType":        {header.ResourceType(), "MessageHeader"},
			"type":                {response.Get("type").Text(), "message"},
			"event":               {header.At("eventCoding", "code").Text(), asked.At("eventCoding", "code").Text()},
			"destination":         {header.At("destination", "endpoint").Text(), asked.At("source", "endpoint").Text()},
			"destination's name":  {header.At("destination", "name").Text(), asked.At("source", "name").Text()},
			"receiver":            {header.At("destination", "receiver", "identifier", "value").Text(), sender},
			"sender":              {header.At("sender", "type").Text(), "Organization"},
			"source":              {header.At("source", "endpoint").Text(), "https://referral.example/fhir/$process-message"},
			"response.identifier": {header.At("response", "identifier").Text(), strings.TrimPrefix(request.Entries[0].FullURL, "urn:uuid:")},
			"response.code":       {header.At("response", "code").Text(), test.code},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s: got %q, want %q", name, what, pair[0], pair[1])
			}
		}
		details := header.At("response", "details", "reference").Text()
		if test.severity == "" && (details != "" || len(entries) != 1) ||
			test.severity != "" && (entries[1].Get("fullUrl").Text() != details || entries[1].At("resource", "issue", "severity").Text() != test.severity) {
			t.Errorf("%s: got %s", name, r.Body)
		}
		for _, issue := range schemas.New(schemas.Config{}).Check(response, "") {
			if issue.Fails() {
				t.Errorf("%s: %s at %s: %s", name, issue.Code, issue.Expression, issue.Details)
			}
		}
		again, err := a.Reply(t.Context(), test.s, "")
		if err != nil || string(again.Body) != string(r.Body) {
			t.Errorf("%s: another time it is another response: %v\n%s", name, err, again.Body)
		}
		status, err := a.Status(t.Context(), test.s, "")
		if err != nil {
			t.Fatal(err)
		}
		entry := parse(t, status).At("entry")
		if got := entry.At("response", "status").Text(); got != test.entry || entry.At("resource", "type").Text() != "message" {
			t.Errorf("%s: the status URL says %s", name, status)
		}
	}
}

// A MessageHeader's own id is what its sender knows it by.
func TestResponseNamesTheMessage(t *testing.T) {
	for name, test := range map[string]struct{ entry, want string }{
		"id":          {`"fullUrl":"urn:uuid:1","resource":{"resourceType":"MessageHeader","id":"mine"}`, "mine"},
		"urn":         {`"fullUrl":"urn:uuid:019a0000-0000-7000-8000-000000000001","resource":{"resourceType":"MessageHeader"}`, "019a0000-0000-7000-8000-000000000001"},
		"neither":     {`"resource":{"resourceType":"MessageHeader"}`, ""},
		"no message":  {`"resource":{"resourceType":"Patient"}`, "none"},
		"not to read": {`"resource":{"resourceType":`, "none"},
	} {
		stored, s := newStore(), rejected("message", conflict)
		stored.original = packed([]byte(`{"resourceType":"Bundle","entry":[{` + test.entry + `}]}`))
		a := answers(t, stored)
		r, err := a.Reply(t.Context(), s, "")
		if err != nil {
			t.Fatal(err)
		}
		if test.want == "none" {
			if r.Status != http.StatusConflict || string(r.Body) != conflict {
				t.Errorf("%s: got %d %s, want the outcome alone", name, r.Status, r.Body)
			}
			continue
		}
		if test.want == "" {
			test.want = a.CanonicalID(s)
		}
		if got := parse(t, r.Body).At("entry", "resource", "response", "identifier").Text(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
