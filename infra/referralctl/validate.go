package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/validate"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
)

type validateCommand struct {
	Files           []string `arg:"" name:"file" help:"Files, directories, or - for standard input."`
	Profile         []string `placeholder:"CANONICAL" sep:"none" help:"Hold each document against this profile as well; repeat it for more."`
	Packages        []string `placeholder:"PATH" help:"FHIR packages with further profiles, folders or .tgz."`
	DefaultProfiles string   `default:"warn" enum:"off,warn,enforce" placeholder:"MODE" help:"How Australia's profiles count for what claims none in a new referral: off, warn or enforce; by default ${default}."`
	All             bool     `help:"Print remarks, too, such as codes that cannot be checked offline; json and sarif always have them."`
	Format          string   `default:"text" enum:"text,json,sarif" placeholder:"NAME" help:"text, json (the same as --json) or sarif, for code scanning; by default ${default}."`
}

// Help is printed by validate --help.
func (*validateCommand) Help() string {
	return "Holds FHIR R4 resources in JSON against the standard, the profiles they claim and the rules of this server, " +
		"as POST /fhir/$validate does; whether a server takes a Bundle as a submission, its mode create tells. It works " +
		"offline. A file that ends in .ndjson, and standard input, hold one resource after another. With --json it " +
		"prints a line for each document and one with the summary. Exit status 1 when a document has an error; " +
		"warnings are no errors."
}

// printer prints what was found.
type printer interface {
	Report(validate.Report) error
	End(validate.Summary) error
}

// Run validates.
func (c *validateCommand) Run(ctx context.Context, s *streams) error {
	out, err := c.printer(s)
	if err != nil {
		return err
	}
	files, err := validate.Files(c.Files...)
	if err != nil {
		return missing(err)
	}
	packages, err := schemas.Packages(c.Packages...)
	if err != nil {
		return missing(fmt.Errorf("--packages: %w", err))
	}
	validator := schemas.New(schemas.Config{Packages: packages, Defaults: schemas.Mode(c.DefaultProfiles)})
	var summary validate.Summary
	for _, file := range files {
		documents, err := validate.Read(file, s.in)
		if err != nil {
			return err
		}
		for _, document := range documents {
			if err := ctx.Err(); err != nil {
				return err
			}
			report := validate.Check(document, validator, c.Profile...)
			summary.Add(report)
			if err := out.Report(report); err != nil {
				return err
			}
		}
	}
	if err := out.End(summary); err != nil {
		return err
	}
	if summary.WithErrors > 0 {
		return errToldAlready
	}
	return nil
}

func (c *validateCommand) printer(s *streams) (printer, error) {
	format := c.Format
	if s.json {
		if format == "sarif" {
			return nil, usageError{errors.New("--json and --format sarif are two formats; choose one")}
		}
		format = "json"
	}
	switch format {
	case "json":
		return &validate.Lines{Out: s.out}, nil
	case "sarif":
		return &validate.SARIF{Out: s.out}, nil
	default:
		return &validate.Text{Out: s.out, All: c.All, Colour: isTerminal(s.out) && os.Getenv("NO_COLOR") == ""}, nil
	}
}

// missing tells what another command line mends.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	return err
}
