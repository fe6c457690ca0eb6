package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secrets are what submission ids are made with. Those of a development server are in the file keys.json of its data
// directory, made once: with others every stored submission would be unknown and every repeated one new.
type secrets struct {
	Kd []byte `json:"kd"`
	Km []byte `json:"km"`
}

// loadSecrets returns the secrets of the settings, or else those of the data directory.
func loadSecrets(s settings) (secrets, error) {
	if s.kd != nil {
		return secrets{s.kd, s.km}, nil
	}
	path := filepath.Join(s.dataDir, "keys.json")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = makeSecrets(path)
	}
	if err != nil {
		return secrets{}, fmt.Errorf("keys: %w", err)
	}
	var stored secrets
	if err := json.Unmarshal(content, &stored); err != nil {
		return secrets{}, fmt.Errorf("keys: %s is damaged", path)
	}
	return stored, nil
}

// makeSecrets writes new secrets under another name first, so that a crash leaves no half a file, and returns when file
// and name are on disk: with other secrets what was accepted before a power cut could not settle after it.
func makeSecrets(path string) ([]byte, error) {
	stored := secrets{Kd: make([]byte, 32), Km: make([]byte, 32)}
	rand.Read(stored.Kd)
	rand.Read(stored.Km)
	content, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	if err := writeSynced(path+".new", content); err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := syncDir(filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err // the directory may be new, too, unless its parent is another's
	}
	return content, syncDir(dir)
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
