package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
)

type certsCommand struct {
	Out    string        `required:"" placeholder:"DIR" type:"path" help:"The directory, made if it is not there."`
	HPIO   []string      `name:"hpio" default:"8003621566684455,8003624900041689,8003629900040359" placeholder:"HPI-O" help:"Organisations that get a NASH-like certificate; by default those of the development clients."`
	Valid  time.Duration `default:"9528h" placeholder:"TIME" help:"How long certificates are good: ${default}."`
	Revoke []string      `placeholder:"FILE" type:"existingfile" help:"A certificate to put on its authority's revocation list."`
}

// Help is printed by certs --help.
func (*certsCommand) Help() string {
	return "For one machine and for tests: never for real referrals. Private keys are files NAME-key.pem that only you may read. " +
		"What is there already and good for another day stays. A server takes ca.pem as REFERRAL_CLIENT_CA, nash-ca.pem as " +
		"REFERRAL_NASH_CA, and ca-crl.pem,nash-ca-crl.pem as REFERRAL_CRLS."
}

// Run makes the certificates.
func (c *certsCommand) Run(s *streams) error {
	for _, hpio := range c.HPIO {
		if !identifier.IsHPIO(hpio) {
			return usageError{errors.New("an HPI-O has 16 digits, begins with 800362 and ends in its check digit")}
		}
	}
	if c.Valid < 48*time.Hour || c.Valid > 10*365*24*time.Hour {
		return usageError{errors.New("--valid is 48h to 87600h")}
	}
	files, err := certs.Make(c.Out, certs.Options{HPIOs: c.HPIO, Valid: c.Valid, Revoke: c.Revoke})
	if err != nil {
		return fmt.Errorf("certificates in %s: %w", c.Out, err)
	}
	if s.json {
		return s.printJSON(map[string]any{"out": c.Out, "files": files})
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, f := range files {
		state := "made"
		if !f.Made {
			state = "there already"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Name, f.What, state)
	}
	return table.Flush()
}
