package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
)

type auditCommand struct {
	Accesses accessesCommand `cmd:"" help:"List who was shown a patient's data: when, by which request, and what of it."`
	Seal     sealCommand     `cmd:"" help:"Sign what was recorded, so that a change shows."`
	Verify   verifyCommand   `cmd:"" help:"Tell whether all is as it was sealed."`
}

type accessesCommand struct {
	connection
	Patient string `required:"" placeholder:"ID" help:"The patient: the id of the Patient on this server."`
	From    string `placeholder:"DATE" help:"Not before it: a day (UTC) or an instant."`
	To      string `placeholder:"DATE" help:"Not after it."`
}

// Help is printed by audit accesses --help.
func (*accessesCommand) Help() string {
	return "Newest first. It needs the API key of a client with the scope audit, on this machine dev-operator's, and is audited itself. Times are UTC."
}

// accessRow is a line of the table.
const accessRow = "%-24s  %-16s  %-20s  %-16s  %-5s  %s\n"

// Run lists.
func (c *accessesCommand) Run(ctx context.Context, s *streams) error {
	query := url.Values{"patient": {c.Patient}, "_count": {strconv.Itoa(maxPage)}}
	for _, limit := range []struct{ flag, prefix, date string }{{"--from", "ge", c.From}, {"--to", "le", c.To}} {
		if limit.date == "" {
			continue
		}
		_, notInstant := time.Parse(time.RFC3339, limit.date)
		_, notDay := time.Parse(time.DateOnly, limit.date)
		if notInstant != nil && notDay != nil {
			return usageError{errors.New(limit.flag + " is a day or an instant, such as 2026-11-22 or 2026-11-22T09:00:00+11:00")}
		}
		query.Add("date", limit.prefix+limit.date)
	}
	server, err := c.open()
	if err != nil {
		return err
	}
	if server.Key == devKey {
		server.Key = devAuditKey
	}
	all := []client.Access{}
	for next := ""; ; {
		page, following, err := server.Accesses(ctx, query, next)
		if err != nil {
			return explain(err, server.Base)
		}
		if next == "" && !s.json {
			fmt.Fprintf(s.out, accessRow, "recorded", "organisation", "client", "interaction", "shown", "of")
		}
		for _, a := range page {
			if s.json {
				continue
			}
			if _, err := fmt.Fprintf(s.out, accessRow, a.Recorded, a.Org, clip(a.Client, 20), dash(a.What), strconv.Itoa(len(a.Shown)), clip(a.Entity, 80)); err != nil {
				return err
			}
		}
		all = append(all, page...)
		if next = following; next == "" {
			break
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"accesses": all})
	}
	_, err = fmt.Fprintf(s.out, "%d accesses.\n", len(all))
	return err
}
