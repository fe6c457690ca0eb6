package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// Access is a record of the server's audit: FHIR R4 auditevent.html, as far as a person asks for it.
type Access struct {
	ID       string   `json:"id"`
	Recorded string   `json:"recorded"`
	Org      string   `json:"org"`
	Client   string   `json:"client"`
	Action   string   `json:"action"`            // AuditEvent.action
	What     string   `json:"what"`              // FHIR restful-interaction, or an operation's name
	Entity   string   `json:"entity"`            // what was asked for
	Shown    []string `json:"shown,omitempty"`   // Type/id/_history/version
	Request  string   `json:"request,omitempty"` // its id
}

// Accesses asks for a page of the audit, newest first: the first one of a query, or with a page's next the one behind it.
func (c *Client) Accesses(ctx context.Context, query url.Values, next string) (page []Access, following string, err error) {
	rawQuery := query.Encode()
	if next != "" {
		u, err := url.Parse(next)
		if err != nil {
			return nil, "", errors.New("the server's next link is no URL")
		}
		rawQuery = u.RawQuery
	}
	a, err := c.send(ctx, http.MethodGet, "fhir/AuditEvent?"+rawQuery, nil, nil)
	if err != nil {
		return nil, "", err
	}
	var b struct {
		Type  string
		Link  []struct{ Relation, URL string }
		Entry []struct {
			Resource struct {
				ID, Recorded, Action string
				Subtype              []struct{ Code string }
				Agent                []struct {
					Name string
					Who  struct{ Identifier struct{ Value string } }
				}
				Entity []struct {
					What struct {
						Reference, Display string
						Identifier         struct{ Value string }
					}
					Role struct{ Code string }
				}
			}
		}
	}
	if err := json.Unmarshal(a.body, &b); err != nil || b.Type != "searchset" {
		return nil, "", errors.New("the answer is no search result; is it a Referral FHIR Server?")
	}
	for _, entry := range b.Entry {
		e := entry.Resource
		access := Access{ID: e.ID, Recorded: e.Recorded, Action: e.Action}
		if len(e.Subtype) > 0 {
			access.What = e.Subtype[0].Code
		}
		if len(e.Agent) > 0 {
			access.Org, access.Client = e.Agent[0].Who.Identifier.Value, e.Agent[0].Name
		}
		for _, entity := range e.Entity {
			switch {
			case entity.What.Display != "":
				access.Entity = entity.What.Display
			case entity.What.Identifier.Value != "":
				access.Request = entity.What.Identifier.Value
			case entity.Role.Code == "4": // domain resource
				access.Shown = append(access.Shown, entity.What.Reference)
			}
		}
		page = append(page, access)
	}
	for _, link := range b.Link {
		if link.Relation == "next" {
			following = link.URL
		}
	}
	return page, following, nil
}
