package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Page is a page of the list of referrals.
type Page struct {
	Total     int                    `json:"total"`   // of all pages, up to the server's limit of counting
	AtLeast   bool                   `json:"atLeast"` // there are more than were counted
	States    map[referral.State]int `json:"states"`
	Referrals []json.RawMessage      `json:"referrals"` // see Referral
	Next      string                 `json:"next"`      // URL of the next page, or empty
}

// Referral is one of a list, as far as it is shown.
type Referral struct {
	ID        string         `json:"id"`
	State     referral.State `json:"state"`
	SettledAt string         `json:"settledAt"`
	From      string         `json:"from"`
	To        []string       `json:"to"`
	Service   string         `json:"service"`
	Priority  string         `json:"priority"`
}

// List asks for a page of the list of referrals: the first one of a query, or with a page's Next the one behind it.
func (c *Client) List(ctx context.Context, query url.Values, next string) (Page, error) {
	rawQuery := query.Encode()
	if next != "" {
		u, err := url.Parse(next)
		if err != nil {
			return Page{}, errors.New("the server's next link is no URL")
		}
		rawQuery = u.RawQuery
	}
	a, err := c.send(ctx, http.MethodGet, "referrals?"+rawQuery, nil, nil)
	if err != nil {
		return Page{}, err
	}
	page := Page{}
	if err := json.Unmarshal(a.body, &page); err != nil || page.Referrals == nil {
		return Page{}, errors.New("the answer is no list of referrals; is it a Referral FHIR Server?")
	}
	return page, nil
}
