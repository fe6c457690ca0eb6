package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
)

// organisation is a sender of the load, and a recipient: each refers to the next.
type organisation struct {
	hpio string // synthetic, with a right check digit
	key  string // its API key, of this run alone
}

// newOrganisations returns the eight organisations of a run. The product's development clients are three, and fewer
// than share a server in earnest.
func newOrganisations() []organisation {
	organisations := make([]organisation, 0, 8)
	for _, hpio := range []string{
		"8003629999000017", "8003629999000025", "8003629999000033", "8003629999000041",
		"8003629999000058", "8003629999000066", "8003629999000074", "8003629999000082",
	} {
		organisations = append(organisations, organisation{hpio, rand.Text()})
	}
	return organisations
}

// writeRegistry writes the client registry of organisations for REFERRAL_CLIENTS.
func writeRegistry(path string, organisations []organisation) error {
	type client struct {
		Org    string   `json:"org"`
		Client string   `json:"client"`
		Keys   []string `json:"keys"`
		Scopes []string `json:"scopes"`
	}
	var registry struct {
		Clients []client `json:"clients"`
	}
	for _, o := range organisations {
		digest := sha256.Sum256([]byte(o.key))
		registry.Clients = append(registry.Clients, client{
			o.hpio, "bench-" + o.hpio, []string{hex.EncodeToString(digest[:])}, []string{"submit", "read"},
		})
	}
	content, err := json.Marshal(registry)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
