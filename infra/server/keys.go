package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// storedKeys are the secrets of a development server, in the file keys.json of its data directory. They are made
// once: with others every stored submission would be unknown and every repeated one new.
type storedKeys struct {
	Kd []byte `json:"kd"`
	Km []byte `json:"km"`
}

// loadKeys returns the keys of the settings, or else those of the data directory.
func loadKeys(s settings) (*referral.Keys, error) {
	if (s.kd == nil) != (s.km == nil) {
		return nil, errors.New("REFERRAL_KD and REFERRAL_KM are set together or not at all")
	}
	if s.kd != nil {
		return referral.NewKeys(s.kd, s.km)
	}
	path := filepath.Join(s.dataDir, "keys.json")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = makeKeys(path)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var stored storedKeys
	if err := json.Unmarshal(content, &stored); err != nil {
		return nil, fmt.Errorf("keys: %s is damaged", path)
	}
	return referral.NewKeys(stored.Kd, stored.Km)
}

// makeKeys writes new keys under another name first, so that a crash leaves no half a file.
func makeKeys(path string) ([]byte, error) {
	stored := storedKeys{Kd: make([]byte, 32), Km: make([]byte, 32)}
	rand.Read(stored.Kd)
	rand.Read(stored.Km)
	content, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return nil, err
	}
	return content, os.Rename(path+".new", path)
}
