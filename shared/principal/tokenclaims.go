package principal

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// claims are those of RFC 9068, and the names that Entra ID and Cognito have for them.
type claims struct {
	jwt.Claims
	AuthorizedParty string   `json:"azp"`       // Entra ID, v2
	AppID           string   `json:"appid"`     // Entra ID, v1
	ClientID        string   `json:"client_id"` // RFC 9068 and Cognito
	Scope           string   `json:"scope"`
	Roles           []string `json:"roles"`     // Entra ID: what an application may do
	Delegated       *string  `json:"scp"`       // Entra ID: what a person lets one do
	TokenUse        string   `json:"token_use"` // Cognito: access or id
	Confirmation    any      `json:"cnf"`       // RFC 7800: it is not for its bearer, but for the holder of a key
}

// forSystems returns why c is not of an access token for a system, which anybody who bears it may show to this server.
func (c *claims) forSystems(forUs bool) error {
	switch {
	case !forUs && len(c.Audience) > 0:
		return errors.New("the token is for another audience")
	case !forUs && c.TokenUse != "access":
		return errors.New("the token has no audience") // Cognito says it by the scopes
	case c.TokenUse != "" && (c.TokenUse != "access" || c.Subject != c.ClientID), c.Delegated != nil: // Cognito's systems are their own subject
		return errors.New("the token is a person's, or not for access")
	case c.Confirmation != nil:
		return errors.New("the token is for the holder of a key, which is not checked here")
	}
	return nil
}

// inTime returns why c does not hold at now.
func (c *claims) inTime(now time.Time) error {
	if c.Expiry == nil {
		return errors.New("the token does not end")
	}
	switch err := c.ValidateWithLeeway(jwt.Expected{Time: now}, leeway); {
	case errors.Is(err, jwt.ErrExpired):
		return errTokenExpired
	case err != nil:
		return errors.New("the token does not hold yet")
	}
	return nil
}

// organisation returns the value of a claim that is a string, or an array of one as Entra ID writes extensions.
func organisation(claim json.RawMessage) string {
	var one string
	if json.Unmarshal(claim, &one) == nil {
		return one
	}
	var all []string
	if json.Unmarshal(claim, &all) == nil && len(all) == 1 {
		return all[0]
	}
	return ""
}
