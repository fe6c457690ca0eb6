package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type envCommand struct {
	DataDir string `env:"REFERRAL_DATA_DIR" default:".data" placeholder:"DIR" help:"The data directory of the server: ${default}."`
}

// Help is printed by env --help.
func (*envCommand) Help() string {
	return "One NAME='value' a line, secrets among them. Into a shell: set -a; eval \"$(referralctl env)\"; set +a"
}

// Run prints the file that the server keeps in its data directory while it runs.
func (c *envCommand) Run(s *streams) error {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(filepath.Join(dir, "env"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no server is running on %s\nStart one with make run, or name its data directory with --data-dir", dir)
	}
	if err != nil {
		return err
	}
	variables, err := parseVariables(string(content))
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, "env"), err)
	}
	if !answers(variables["REFERRAL_ADDR"]) {
		return fmt.Errorf("no server is running on %s: the one that was there has ended without cleaning up\nStart it again with make run", dir)
	}
	if s.json {
		return s.printJSON(variables)
	}
	_, err = s.out.Write(content)
	return err
}

// answers tells whether something listens at the address of the API, which ends with the server.
func answers(address string) bool {
	connection, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// parseVariables reads lines NAME='value' as a shell would; a quote in a value is written '\”.
func parseVariables(content string) (map[string]string, error) {
	variables := map[string]string{}
	for line := range strings.Lines(content) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), "='")
		value, quoted := strings.CutSuffix(value, "'")
		if !found || !quoted {
			return nil, errors.New("not written by this version of the server")
		}
		variables[name] = strings.ReplaceAll(value, `'\''`, "'")
	}
	return variables, nil
}
