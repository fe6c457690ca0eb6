package env_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

func TestEveryWrongSettingIsReportedAtOnceByName(t *testing.T) {
	s := envtest.Settings(map[string]string{"I": "zqx", "D": "zqx", "U": "zqx", "B": "zqx!", "L": "zqx", "SHORT": "499ms", "LONG": "301s", "FINE": "3", "EMPTY": ""})
	s.Int("I", 1, 0, 9)
	s.Int("FINE", 1, 0, 9)
	s.Duration("D", 1, 1, 2)
	s.Duration("SHORT", time.Second, 500*time.Millisecond, 5*time.Minute)
	s.Duration("LONG", time.Second, 500*time.Millisecond, 5*time.Minute)
	s.URL("U", "")
	s.Base64("B", 1)
	s.Level("L")
	s.Require("FINE", "R", "EMPTY")
	s.Require("R")
	s.Wrong("W", "another")
	err := s.Err()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, name := range []string{"I ", "D ", "U ", "B ", "L ", "SHORT ", "LONG ", "R ", "EMPTY ", "W "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	if got := strings.Count(err.Error(), "R must be set"); got != 1 {
		t.Errorf("%v says %d times that R must be set, want once", err, got)
	}
	if strings.Contains(err.Error(), "zqx") || strings.Contains(err.Error(), "FINE") {
		t.Errorf("%v shows a value or a setting that is right", err)
	}
}

func TestConcurrency(t *testing.T) {
	for value, want := range map[string]int{"": 0, "7": 7, "5, 2,5": 12, "5,0": -1, "5,zqx": -1} {
		s := envtest.Settings(map[string]string{"REFERRAL_CONCURRENCY": value})
		got := s.Concurrency()
		if err := s.Err(); (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: got %d, %v, want %d", value, got, err, want)
		}
	}
}

func TestValuesAndDefaults(t *testing.T) {
	s := envtest.Settings(map[string]string{"I": "7", "D": "90s", "U": "https://x.example/a", "B": "QUJD", "L": "debug", "EMPTY": ""})
	if got := s.Int("I", 1, 0, 9); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	if got := s.Int("EMPTY", 3, 0, 9); got != 3 {
		t.Errorf("got %d, want the default 3", got)
	}
	if got := s.Duration("D", 1, 1, 90*time.Second); got != 90*time.Second {
		t.Errorf("got %v, want 90s", got)
	}
	if got := s.Duration("EMPTY", 2, 1, 3); got != 2 {
		t.Errorf("got %v, want the default", got)
	}
	if got := s.URL("U", "").String(); got != "https://x.example/a" {
		t.Errorf("got %s", got)
	}
	if got := string(s.Base64("B", 3)); got != "ABC" {
		t.Errorf("got %q, want ABC", got)
	}
	if got := s.String("UNSET", "d"); got != "d" {
		t.Errorf("got %q, want d", got)
	}
	if err := s.Err(); err != nil {
		t.Errorf("got %v, want none", err)
	}
}
