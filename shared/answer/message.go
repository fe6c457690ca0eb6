package answer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// messageBundle is a Bundle of type message.
type messageBundle struct {
	ResourceType string         `json:"resourceType"`
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Timestamp    string         `json:"timestamp"`
	Entry        []messageEntry `json:"entry"`
}

type messageEntry struct {
	FullURL  string `json:"fullUrl"`
	Resource any    `json:"resource"`
}

// messageHeader is FHIR R4 messageheader.html.
type messageHeader struct {
	ResourceType string          `json:"resourceType"`
	ID           string          `json:"id"`
	EventCoding  json.RawMessage `json:"eventCoding,omitempty"`
	EventURI     string          `json:"eventUri,omitempty"`
	Destination  []party         `json:"destination,omitempty"`
	Sender       json.RawMessage `json:"sender,omitempty"`
	Source       party           `json:"source"`
	Response     messageResponse `json:"response"`
}

// party is MessageHeader.source, or a destination, which alone has a receiver.
type party struct {
	Name     string          `json:"name,omitempty"`
	Software string          `json:"software,omitempty"`
	Endpoint string          `json:"endpoint"`
	Receiver json.RawMessage `json:"receiver,omitempty"`
}

type messageResponse struct {
	Identifier string            `json:"identifier"`
	Code       string            `json:"code"`
	Details    *messageReference `json:"details,omitempty"`
}

type messageReference struct {
	Reference string `json:"reference"`
}

// What of a response message an id is for, where the entries of a submission have their numbers from 0.
const (
	responseBundleID = -1 - iota
	responseHeaderID
	responseOutcomeID
)

// message returns the response to the message whose compressed bytes packed are, turned around: to who sent it, from
// here. It is the same at every time of asking. Nil says that packed has no MessageHeader to respond to.
func (v *view) message(packed []byte) (json.RawMessage, error) {
	body, err := queue.Unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("the body of a message cannot be unpacked: %w", err)
	}
	document, err := fhir.Parse(body, "Bundle", fhir.Limits{})
	if err != nil {
		return nil, nil //nolint:nilerr // the submission was rejected for it, and its outcome says so
	}
	request := fhir.AsBundle(document)
	for i, e := range request.Entries {
		if e.Resource.ResourceType() == "MessageHeader" {
			return encode(v.responseTo(message{request, request.Links(), i}))
		}
	}
	return nil, nil
}

// message is a Bundle of type message, whose MessageHeader is entry header.
type message struct {
	fhir.Bundle
	links  *fhir.Links
	header int
}

func (v *view) responseTo(m message) messageBundle {
	request := m.Entries[m.header]
	id := func(what int) string { return v.Keys.ResourceID(v.Org, v.Digest, v.SettledAt, what).String() }
	asked, destination := request.Resource, first(request.Resource.Get("destination"))
	header := messageHeader{
		ResourceType: "MessageHeader", ID: id(responseHeaderID),
		EventCoding: object(asked.Get("eventCoding")), EventURI: asked.Get("eventUri").Text(),
		Sender: m.logical(destination.Get("receiver")),
		Source: party{
			Name: destination.Get("name").Text(), Software: "Referral FHIR Server",
			Endpoint: v.BaseURL.JoinPath("fhir", "$process-message").String(),
		},
		Response: messageResponse{Identifier: v.messageID(request), Code: "ok"},
	}
	if source := asked.Get("source"); source.Get("endpoint").Text() != "" {
		header.Destination = []party{{
			Name: source.Get("name").Text(), Endpoint: source.Get("endpoint").Text(), Receiver: m.logical(asked.Get("sender")),
		}}
	}
	outcome := v.whole().Outcome
	if v.State != referral.Completed {
		header.Response.Code, outcome = "fatal-error", failed(v.whole())
	}
	b := messageBundle{
		ResourceType: "Bundle", ID: id(responseBundleID), Type: "message", Timestamp: formatInstant(v.SettledAt),
		Entry: []messageEntry{{FullURL: "urn:uuid:" + header.ID}},
	}
	if outcome != nil {
		url := "urn:uuid:" + id(responseOutcomeID)
		header.Response.Details = &messageReference{url}
		b.Entry = append(b.Entry, messageEntry{FullURL: url, Resource: outcome})
	}
	b.Entry[0].Resource = header
	return b
}

// messageID is what the response calls the message by: the id of its MessageHeader, or where that has none what its
// sender called it otherwise.
func (v *view) messageID(request fhir.Entry) string {
	if id := request.Resource.Get("id").Text(); id != "" {
		return id
	}
	if id, ok := strings.CutPrefix(request.FullURL, "urn:uuid:"); ok {
		return id
	}
	return v.CanonicalID(v.Submission)
}

// object is a JSON object as it was written, or nil.
func object(v *fhir.Value, omit ...string) json.RawMessage {
	members := v.Members(func(string, string) (string, bool) { return "", false }, omit...)
	if members == "" {
		return nil
	}
	return json.RawMessage("{" + members + "}")
}

// logical is a Reference that means the same outside of the message: what leads to an entry of it, names that by an
// identifier instead.
func (m message) logical(reference *fhir.Value) json.RawMessage {
	url := reference.Get("reference").Text()
	if i, ok := m.links.Entry(m.header, url); ok {
		organization := m.Entries[i].Resource
		b, err := encode(logicalReference{
			Type: organization.ResourceType(), Identifier: object(first(organization.Get("identifier"))),
			Display: organization.Get("name").Text(),
		})
		if err != nil || organization.ResourceType() != "Organization" {
			return nil
		}
		return b
	}
	if strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") {
		return object(reference)
	}
	return object(reference, "reference")
}

type logicalReference struct {
	Type       string          `json:"type"`
	Identifier json.RawMessage `json:"identifier,omitempty"`
	Display    string          `json:"display,omitempty"`
}
