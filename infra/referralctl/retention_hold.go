package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

type holdCommand struct {
	Patient      string `xor:"on" required:"" placeholder:"ID" help:"The record of a patient, by the id of a Patient."`
	Submission   string `xor:"on" required:"" placeholder:"ID" help:"A submission and what it wrote, by its id or status URL."`
	Organisation string `xor:"on" required:"" placeholder:"HPI-O" help:"All that an organisation sent or was addressed."`
	Reason       string `required:"" placeholder:"TEXT" help:"Why: whose order or claim, and a file number; never patient data."`
}

// Help is printed by retention hold --help.
func (*holdCommand) Help() string {
	return "When the command has returned, no run removes what the hold is on. It and its lifting are in the audit. " + needsRetention
}

// Run places a hold.
func (c *holdCommand) Run(ctx context.Context, s *streams) error {
	hold, err := c.on()
	if err != nil {
		return err
	}
	return withHold(s, c.Reason, "placed", func(db *postgres.DB, o postgres.Operation) (postgres.Hold, error) { return db.Place(ctx, hold, o) })
}

// on is what the hold is on.
func (c *holdCommand) on() (postgres.Hold, error) {
	switch {
	case c.Patient != "":
		id := strings.TrimPrefix(c.Patient, "Patient/")
		if _, err := referral.ParseUUID(id); err != nil {
			return postgres.Hold{}, usageError{errors.New("--patient is the id of a Patient of this server")}
		}
		return postgres.Hold{Kind: "patient", Subject: id}, nil
	case c.Submission != "":
		digest, err := referral.Claim(c.Submission[strings.LastIndex(c.Submission, "/")+1:])
		if err != nil {
			return postgres.Hold{}, usageError{errors.New("--submission is the id of a submission, or its status URL")}
		}
		return postgres.Hold{Kind: "submission", Subject: hex.EncodeToString(digest[:])}, nil
	}
	return postgres.Hold{Kind: "organisation", Org: c.Organisation}, nil
}

type releaseCommand struct {
	Number int64  `arg:"" placeholder:"NUMBER" help:"The number of the hold, as retention holds has it."`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the audit."`
}

// Run lifts a hold.
func (c *releaseCommand) Run(ctx context.Context, s *streams) error {
	return withHold(s, c.Reason, "lifted", func(db *postgres.DB, o postgres.Operation) (postgres.Hold, error) { return db.Lift(ctx, c.Number, o) })
}

// withHold has do change a hold, and tells which.
func withHold(s *streams, reason, done string, do func(*postgres.DB, postgres.Operation) (postgres.Hold, error)) error {
	if strings.TrimSpace(reason) == "" {
		return usageError{errors.New("why? --reason is kept in the audit")}
	}
	db, err := openRetention()
	if err != nil {
		return err
	}
	defer db.Close()
	h, err := do(db, postgres.Operation{Operator: operator(), Reason: strings.TrimSpace(reason)})
	switch {
	case err != nil:
		return err
	case s.json:
		return s.printJSON(h)
	}
	_, err = fmt.Fprintf(s.out, "Hold %d is %s: %s %s of organisation %s.\n", h.Number, done, h.Kind, dash(h.Subject), h.Org)
	return err
}

type holdsCommand struct {
	All bool `help:"Also those that were lifted."`
}

// Run lists holds.
func (c *holdsCommand) Run(ctx context.Context, s *streams) error {
	db, err := openRetention()
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Holds(ctx, c.All)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"holds": append([]postgres.Hold{}, all...)})
	}
	for _, h := range all {
		state := "stands"
		if h.LiftedAt != nil {
			state = fmt.Sprintf("lifted %s by %s: %s", h.LiftedAt.UTC().Format(time.DateOnly), h.LiftedBy, clip(h.LiftedFor, 60))
		}
		fmt.Fprintf(s.out, "%-6d  %-12s  %-36s  %-16s  %s by %s: %s; %s\n", h.Number, h.Kind, dash(h.Subject), h.Org,
			h.PlacedAt.UTC().Format(time.DateOnly), h.PlacedBy, clip(h.Reason, 60), state)
	}
	_, err = fmt.Fprintf(s.out, "%d holds.\n", len(all))
	return err
}

type registerCommand struct {
	Organisation string `placeholder:"HPI-O" help:"Only what was sent by this organisation."`
	Reason       string `required:"" placeholder:"TEXT" help:"Why it is looked at, for the audit."`
}

// Run prints the register.
func (c *registerCommand) Run(ctx context.Context, s *streams) error {
	db, err := openRetention()
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Removals(ctx, c.Organisation, postgres.Operation{Operator: operator(), Reason: strings.TrimSpace(c.Reason)})
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"removed": append([]postgres.Removal{}, all...)})
	}
	day := func(t time.Time) string { return t.UTC().Format(time.DateOnly) }
	for _, r := range all {
		fmt.Fprintf(s.out, "%s  %-16s  %s  %s to %s  %s\n", day(r.RemovedAt), r.Org, r.Patient, day(r.First), day(r.Last), clip(r.Name, 80))
	}
	_, err = fmt.Fprintf(s.out, "%d records were removed.\n", len(all))
	return err
}
