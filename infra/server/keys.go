package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// storedKeys are those of a server that is given none: in the file keys.json of its data directory, made once. With others
// every stored submission would be unknown and every repeated one new.
type storedKeys struct {
	Kd []byte `json:"kd"`
	Km []byte `json:"km"`
}

// openKeys returns the keys of the settings, or else those of the data directory. Variables, as NAME=value, give them to
// another process on this machine; there are none of keys that rotate.
func openKeys(s settings) (keys *referral.Keys, variables []string, err error) {
	if s.keys != nil {
		return s.keys, s.keySettings, nil
	}
	stored, err := loadKeys(filepath.Join(s.dataDir, "keys.json"))
	if err != nil {
		return nil, nil, fmt.Errorf("keys: %w", err)
	}
	keys, err = referral.NewKeys(stored.Kd, stored.Km)
	encode := base64.StdEncoding.EncodeToString
	return keys, []string{"REFERRAL_KD=" + encode(stored.Kd), "REFERRAL_KM=" + encode(stored.Km)}, err
}

func loadKeys(path string) (stored storedKeys, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = makeKeys(path)
	}
	if err != nil {
		return stored, err
	}
	if json.Unmarshal(content, &stored) != nil {
		return stored, fmt.Errorf("%s is damaged", path)
	}
	return stored, nil
}

// makeKeys writes new keys under another name first, so that a crash leaves no half a file, and returns when file
// and name are on disk: with other keys what was accepted before a power cut could not settle after it.
func makeKeys(path string) ([]byte, error) {
	stored := storedKeys{Kd: make([]byte, 32), Km: make([]byte, 32)}
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
