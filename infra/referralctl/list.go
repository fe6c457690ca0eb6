package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/client"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type listCommand struct {
	connection
	State    []string `enum:"completed,rejected,quarantined,cancelled" placeholder:"STATE,…" help:"Only these: completed, rejected, quarantined, cancelled."`
	From     string   `placeholder:"HPI-O" help:"Only those of this sender."`
	To       string   `placeholder:"HPI-O" help:"Only those that are addressed to this organisation."`
	Since    string   `placeholder:"TIME" help:"Only those that settled then or later: a day (UTC), an instant, or a time span such as 90m or 24h."`
	Priority []string `enum:"routine,urgent,asap,stat" placeholder:"PRIORITY,…" help:"Only these: routine, urgent, asap, stat."`
	Limit    int      `default:"0" placeholder:"N" help:"Stop after so many; 0, the default, lists all."`
}

// Help is printed by list --help.
func (*listCommand) Help() string {
	return "Newest first, by the time of settling. What the server has accepted and not settled yet is not listed: see status. " +
		"With --json it prints one object: total, states (counts), referrals; atLeast says that the server stopped counting. Times are UTC."
}

// maxPage is the greatest page that the server gives.
const maxPage = 100

// Run lists.
func (c *listCommand) Run(ctx context.Context, s *streams) error {
	query, err := c.query(time.Now())
	if err != nil {
		return err
	}
	server, err := c.open()
	if err != nil {
		return err
	}
	all := client.Page{Referrals: []json.RawMessage{}}
	shown := 0
	for next := ""; ; {
		page, err := server.List(ctx, query, next)
		if err != nil {
			return explain(err, server.Base)
		}
		if next == "" {
			all.Total, all.AtLeast, all.States = page.Total, page.AtLeast, page.States
			s.printHead()
		}
		if c.Limit > 0 && shown+len(page.Referrals) >= c.Limit {
			page.Referrals, page.Next = page.Referrals[:c.Limit-shown], ""
		}
		shown += len(page.Referrals)
		if s.json {
			all.Referrals = append(all.Referrals, page.Referrals...)
		} else if err := s.printReferrals(page.Referrals); err != nil {
			return err
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"total": all.Total, "atLeast": all.AtLeast, "states": all.States, "referrals": all.Referrals})
	}
	_, err = fmt.Fprintln(s.out, sum(shown, all))
	return err
}

// query returns the parameters of GET /referrals.
func (c *listCommand) query(now time.Time) (url.Values, error) {
	if c.Limit < 0 {
		return nil, usageError{errors.New("--limit is a number from 0")}
	}
	query := url.Values{"_count": {strconv.Itoa(maxPage)}}
	if c.Limit > 0 {
		query.Set("_count", strconv.Itoa(min(c.Limit, maxPage)))
	}
	since := c.Since
	if span, err := time.ParseDuration(since); err == nil {
		since = now.Add(-span).UTC().Format(time.RFC3339)
	}
	_, notInstant := time.Parse(time.RFC3339, since)
	_, notDay := time.Parse(time.DateOnly, since)
	if since != "" && notInstant != nil && notDay != nil {
		return nil, usageError{errors.New("--since is a day, an instant or a time span, such as 2026-11-22, 2026-11-22T09:00:00+11:00 or 24h")}
	}
	for name, value := range map[string]string{
		"state": strings.Join(c.State, ","), "from": c.From, "to": c.To, "since": since, "priority": strings.Join(c.Priority, ","),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query, nil
}

// row is a line of the table, whose columns do not depend on what is in it: pages are printed as they come.
const row = "%-24s  %-11s  %-8s  %-16s  %-20s  %-40s  %s\n"

func (s *streams) printHead() {
	if !s.json {
		fmt.Fprintf(s.out, row, "settled", "state", "priority", "from", "to", "service", "id")
	}
}

func (s *streams) printReferrals(raw []json.RawMessage) error {
	for _, text := range raw {
		var r client.Referral
		if err := json.Unmarshal(text, &r); err != nil {
			return errors.New("the answer is no list of referrals; is it a Referral FHIR Server?")
		}
		to := strings.Join(r.To, ",")
		if len(r.To) > 1 {
			to = fmt.Sprintf("%s +%d", r.To[0], len(r.To)-1)
		}
		if _, err := fmt.Fprintf(s.out, row, r.SettledAt, r.State, dash(r.Priority), r.From, dash(to), dash(clip(r.Service, 40)), r.ID); err != nil {
			return err
		}
	}
	return nil
}

// clip returns the words of text on one line of at most width characters, without what would steer a terminal.
func clip(text string, width int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text))
	if len(runes) > width {
		runes = append(runes[:width-1], '…')
	}
	return string(runes)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// sum is the last line of the table.
func sum(shown int, page client.Page) string {
	text := strconv.Itoa(page.Total) + " referrals"
	if page.AtLeast {
		text = "at least " + text
	}
	var states []string
	for _, state := range []referral.State{referral.Completed, referral.Rejected, referral.Quarantined, referral.Cancelled} {
		if n := page.States[state]; n > 0 {
			states = append(states, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(states) > 0 {
		text += "; by state: " + strings.Join(states, ", ")
	}
	if shown < page.Total {
		text = fmt.Sprintf("shown %d of ", shown) + text
	}
	return text
}
