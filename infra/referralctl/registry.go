package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// registryFile is the file of a client registry that is edited.
type registryFile struct {
	Registry string `env:"REFERRAL_CLIENTS" placeholder:"FILE" help:"The file of the client registry."`
}

// registry is what is in the file, as it was read.
type registry struct {
	path    string
	text    []byte // nil: there is no file
	clients []principal.Client
}

// read reads the registry. A new one is empty where mayBeNew and there is no file.
func (f *registryFile) read(mayBeNew bool) (*registry, error) {
	switch {
	case f.Registry == "" || f.Registry == principal.DevelopmentClients:
		return nil, usageError{errors.New("which registry? Name its file with --registry or REFERRAL_CLIENTS")}
	case strings.HasPrefix(f.Registry, "s3://"):
		return nil, usageError{errors.New("a registry is edited as a file: get it with aws s3 cp, and put it back when it is as it should be")}
	}
	r := &registry{path: f.Registry}
	if target, err := filepath.EvalSymlinks(f.Registry); err == nil {
		r.path = target // the link stays one
	}
	var err error
	r.text, err = os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) && mayBeNew {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client registry: %w", err)
	}
	parsed, err := principal.ParseRegistry(r.text, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.path, err)
	}
	r.clients = parsed.Clients()
	return r, nil
}

// find returns the client of name.
func (r *registry) find(name string) (*principal.Client, error) {
	i := slices.IndexFunc(r.clients, func(c principal.Client) bool { return c.Name == name })
	if i < 0 {
		return nil, usageError{fmt.Errorf("there is no client of that name in %s; referralctl clients list shows them", r.path)}
	}
	return &r.clients[i], nil
}

// write replaces the file as a whole, for its owner only, if the registry is a good one and nobody else has changed it.
// A server that reads it sees the old registry or the new one.
func (r *registry) write() (err error) {
	text, err := principal.FormatRegistry(r.clients)
	if err != nil {
		return err
	}
	if _, err := principal.ParseRegistry(text, time.Now()); err != nil {
		return usageError{fmt.Errorf("that would not be a good registry, which stays as it is: %w", err)}
	}
	temporary, err := os.CreateTemp(filepath.Dir(r.path), filepath.Base(r.path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(r.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, r.text) {
		return fmt.Errorf("somebody else has changed %s meanwhile; try again", r.path)
	}
	return os.Rename(temporary.Name(), r.path)
}
