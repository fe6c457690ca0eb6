package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

type listClientsCommand struct{ registryFile }

// Run lists the clients.
func (c *listClientsCommand) Run(s *streams) error {
	r, err := c.read(false)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"clients": r.clients})
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLIENT\tORGANISATION\tSCOPES\tKNOWN BY\tLIMITS")
	for i := range r.clients {
		c := &r.clients[i]
		var scopes []string
		for _, scope := range c.Scopes {
			scopes = append(scopes, string(scope))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.Name, c.Org, strings.Join(scopes, ","), knownBy(c), limits(c))
	}
	return table.Flush()
}

func knownBy(c *principal.Client) string {
	var ways []string
	for _, key := range c.Keys {
		way := "key " + key.Label()
		if !key.Expires.IsZero() {
			way += map[bool]string{true: " until ", false: " ended "}[key.Live(time.Now())] + key.Expires.Format(time.DateOnly)
		}
		ways = append(ways, way)
	}
	for _, certificate := range c.Certificates {
		switch {
		case certificate.NASH:
			ways = append(ways, "NASH")
		case certificate.Subject != "":
			ways = append(ways, "subject "+certificate.Subject)
		default:
			ways = append(ways, "thumbprint "+certificate.SHA256[:8]+"…")
		}
	}
	for _, token := range c.Tokens {
		switch {
		case token.OrgClaim:
			ways = append(ways, "tokens of "+token.Issuer+" for its organisation")
		default:
			ways = append(ways, "tokens of "+token.Issuer+" for "+token.Client)
		}
	}
	return strings.Join(ways, "; ")
}

func limits(c *principal.Client) string {
	var all []string
	if c.Suspended {
		all = append(all, "suspended")
	}
	if c.OwnRequests {
		all = append(all, "own requests only")
	}
	if c.Rate != nil {
		all = append(all, fmt.Sprintf("%v/s, %d at once", c.Rate.RPS, c.Rate.Burst))
	}
	if c.Quota > 0 {
		all = append(all, fmt.Sprintf("%d a day", c.Quota))
	}
	for _, prefix := range c.CIDRs {
		all = append(all, prefix.String())
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}
