package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

type rotateClientCommand struct {
	registryFile
	newKey
	Name  string        `arg:"" help:"The client."`
	Grace time.Duration `default:"168h" placeholder:"TIME" help:"How long the key before is still known; 0s ends it at once: ${default}."`
}

// Run gives the client a new key. Keys that have ended leave the registry.
func (c *rotateClientCommand) Run(s *streams) error {
	if c.Grace < 0 {
		return usageError{errors.New("--grace is a time from now, or 0s")}
	}
	r, err := c.read(false)
	if err != nil {
		return err
	}
	client, err := r.find(c.Name)
	if err != nil {
		return err
	}
	now := time.Now()
	end := inWholeSeconds(now.Add(c.Grace))
	var keys []principal.Key
	for _, key := range client.Keys {
		if c.Grace == 0 || !key.Live(now) {
			continue
		}
		if key.Expires.IsZero() || end.Before(key.Expires) {
			key.Expires = end
		}
		keys = append(keys, key)
	}
	if len(keys) > 1 {
		return usageError{fmt.Errorf("%s has two live keys: it is changing from one to the other. Wait until one has ended (referralctl clients list), or end both with --grace 0s", c.Name)}
	}
	key, registered, err := c.make()
	if err != nil {
		return err
	}
	keys = append(keys, registered)
	client.Keys = keys
	if err := r.write(); err != nil {
		return err
	}
	return s.printClient(r, client, key, "has another key in")
}

type suspendClientCommand struct {
	registryFile
	Name string `arg:"" help:"The client."`
	Lift bool   `help:"Let it in again."`
}

// Run suspends the client.
func (c *suspendClientCommand) Run(s *streams) error {
	r, err := c.read(false)
	if err != nil {
		return err
	}
	client, err := r.find(c.Name)
	if err != nil {
		return err
	}
	client.Suspended = !c.Lift
	if err := r.write(); err != nil {
		return err
	}
	if c.Lift {
		return s.printClient(r, client, "", "is let in again by")
	}
	return s.printClient(r, client, "", "is suspended in")
}

// printClient says what has become of a client, and shows its new key, if it has one, this once.
func (s *streams) printClient(r *registry, c *principal.Client, key, what string) error {
	if s.json {
		return s.printJSON(struct {
			Registry string           `json:"registry"`
			Client   principal.Client `json:"client"`
			Key      string           `json:"key,omitempty"`
		}{r.path, *c, key})
	}
	fmt.Fprintf(s.out, "%s of %s %s %s. Servers take the file within seconds.\n", c.Name, c.Org, what, r.path)
	if key != "" {
		fmt.Fprintf(s.out, "Its API key, which is shown only now:\n\n  %s\n\n", key)
	}
	return nil
}
