// Package env reads settings from environment variables, in main only, and reports every wrong one at once: by
// name and what is expected, never by value.
package env

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings reads variables and collects what is wrong with them. It is for one goroutine.
type Settings struct {
	lookup   func(string) (string, bool)
	problems []string
}

// Read returns Settings over lookup, such as os.LookupEnv.
func Read(lookup func(string) (string, bool)) *Settings { return &Settings{lookup: lookup} }

// Err names every variable that was read and is wrong, or is nil.
func (s *Settings) Err() error {
	if len(s.problems) == 0 {
		return nil
	}
	return errors.New("settings: " + strings.Join(s.problems, "; "))
}

// Wrong reports that a variable is not what is expected, for rules that only its reader knows. Said twice, it is reported
// once: some variables have several readers.
func (s *Settings) Wrong(name, expected string) {
	if problem := name + " must be " + expected; !slices.Contains(s.problems, problem) {
		s.problems = append(s.problems, problem)
	}
}

// Require reports the variables that are unset or empty. They are read as others are.
func (s *Settings) Require(names ...string) {
	for _, name := range names {
		if s.String(name, "") == "" {
			s.Wrong(name, "set")
		}
	}
}

// String returns the variable, or fallback when it is unset or empty.
func (s *Settings) String(name, fallback string) string {
	if v, ok := s.lookup(name); ok && v != "" {
		return v
	}
	return fallback
}

// Int returns a whole number of least to most, or fallback when unset.
func (s *Settings) Int(name string, fallback, least, most int) int {
	v := s.String(name, "")
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		s.Wrong(name, fmt.Sprintf("a whole number from %d to %d", least, most))
		return fallback
	}
	return n
}

// Duration returns a duration of least to most, or fallback when unset.
func (s *Settings) Duration(name string, fallback, least, most time.Duration) time.Duration {
	v := s.String(name, "")
	if v == "" {
		return fallback
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most {
		s.Wrong(name, fmt.Sprintf("a duration from %v to %v, such as %v", least, most, fallback))
		return fallback
	}
	return d
}

// URL returns an absolute http or https URL without query, or fallback when unset.
func (s *Settings) URL(name, fallback string) *url.URL {
	u, err := url.Parse(s.String(name, fallback))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		s.Wrong(name, "an absolute http or https URL without query")
		return &url.URL{}
	}
	return u
}

// Base64 returns the decoded bytes of a variable, or nil when unset; at least least bytes otherwise.
func (s *Settings) Base64(name string, least int) []byte {
	v := s.String(name, "")
	if v == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) < least {
		s.Wrong(name, fmt.Sprintf("base64 of at least %d bytes", least))
		return nil
	}
	return b
}

// Choice returns one of options, fallback when unset.
func (s *Settings) Choice(name, fallback string, options ...string) string {
	v := s.String(name, fallback)
	if !slices.Contains(options, v) {
		s.Wrong(name, "one of "+strings.Join(options, ", "))
		return fallback
	}
	return v
}

// List returns the parts of a variable between commas; none when unset.
func (s *Settings) List(name string) []string {
	v := s.String(name, "")
	if v == "" {
		return nil
	}
	parts := strings.Split(v, ",")
	for i, part := range parts {
		if parts[i] = strings.TrimSpace(part); parts[i] == "" {
			s.Wrong(name, "a list with something between the commas")
		}
	}
	return parts
}

// Level returns a log level: debug, info, warn or error; info when unset.
func (s *Settings) Level(name string) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.String(name, "info"))); err != nil {
		s.Wrong(name, "debug, info, warn or error")
	}
	return level
}
