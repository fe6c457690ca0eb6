package main

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
)

type generateCommand struct {
	Count      int      `default:"1" placeholder:"N" help:"How many: ${default}."`
	Entries    int      `default:"15" placeholder:"N" help:"Entries of each, 5 to 200: ${default}."`
	Attachment byteSize `default:"1KB" placeholder:"SIZE" help:"Size of the referral letter, up to 3MB; 0 for none: ${default}."`
	Specialty  string   `default:"" enum:",${specialties}" placeholder:"NAME" help:"One of ${specialties}; by default any."`
	Sender     string   `placeholder:"HPI-O" help:"Who refers; by default the organisation of dev-sender."`
	Recipient  string   `placeholder:"HPI-O" help:"Who is asked; by default the organisation of dev-recipient."`
	Seed       *uint64  `placeholder:"N" help:"The same seed makes the same referrals; by default another each time."`
	Out        string   `placeholder:"DIR" type:"path" help:"Write a file for each here; by default one line for each to standard output."`
}

// byteSize is a number of bytes, written with or without KB, MB (thousands), KiB or MiB.
type byteSize int

// UnmarshalText reads a size.
func (b *byteSize) UnmarshalText(text []byte) error {
	number, unit := string(text), 1
	for _, suffix := range []struct {
		name string
		unit int
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"KB", 1e3}, {"MB", 1e6}, {"B", 1}} {
		if before, found := strings.CutSuffix(number, suffix.name); found {
			number, unit = before, suffix.unit
			break
		}
	}
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 || n > 1<<30 {
		return errors.New("a size is written as 0, 800, 64KB or 3MB")
	}
	*b = byteSize(n * unit)
	return nil
}

// Run generates.
func (c *generateCommand) Run(s *streams) error {
	options := generate.Options{
		Entries: c.Entries, AttachmentBytes: int(c.Attachment), Specialty: c.Specialty, Sender: c.Sender, Recipient: c.Recipient,
	}
	if err := options.Validate(); err != nil {
		return usageError{err}
	}
	if c.Entries == 0 || c.Count < 1 {
		return usageError{errors.New("--entries is 5 to 200, and --count at least 1")}
	}
	seed := rand.Uint64N(1e9)
	if c.Seed != nil {
		seed = *c.Seed
	}
	g := generate.New(seed)
	if c.Out == "" {
		w := bufio.NewWriterSize(s.out, 1<<16)
		for range c.Count {
			if _, err := w.Write(append(g.Bundle(options), '\n')); err != nil {
				return err
			}
		}
		if c.Seed == nil {
			fmt.Fprintf(s.err, "--seed %d makes the same again.\n", seed)
		}
		return w.Flush()
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	size := 0
	for i := range c.Count {
		b := g.Bundle(options)
		if err := os.WriteFile(filepath.Join(c.Out, fmt.Sprintf("referral-%d-%06d.json", seed, i+1)), b, 0o644); err != nil {
			return err
		}
		size += len(b)
	}
	if s.json {
		return s.printJSON(map[string]any{"count": c.Count, "bytes": size, "seed": seed, "out": c.Out})
	}
	fmt.Fprintf(s.out, "Wrote %d referrals (%d bytes) to %s; --seed %d makes them again.\n", c.Count, size, c.Out, seed)
	return nil
}
