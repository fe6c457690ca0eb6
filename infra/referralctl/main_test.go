package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// result is what a command line did.
type result struct {
	status   int
	out, err string
}

// referralctl runs a command line with settings of this test's own.
func referralctl(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	status := run(t.Context(), args, streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	return result{status, out.String(), errs.String()}
}

// want holds the exit status, and that output and errors have what is wanted.
func (r result) want(t testing.TB, status int, out, err string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out, out) || !strings.Contains(r.err, err) {
		t.Errorf("got status %d, output %q, errors %q; want %d, %q and %q", r.status, r.out, r.err, status, out, err)
	}
}

// settings clears the variables that a developer's shell may have.
func settings(t testing.TB) {
	t.Helper()
	for _, name := range []string{
		"REFERRAL_BASE_URL", "REFERRAL_API_KEY", "REFERRAL_QUEUE", "REFERRAL_QUEUE_URL", "REFERRAL_DEAD_LETTER_QUEUE_URL",
		"REFERRAL_BLOB_BUCKET", "REFERRAL_BLOB_DIR", "REFERRAL_ARCHIVE_BUCKET", "REFERRAL_ARCHIVE_DIR", "REFERRAL_DATA_DIR", "REFERRAL_CLIENTS", "REFERRAL_KEY_PEPPER", "REFERRAL_CACERT", "REFERRAL_CERT", "REFERRAL_CERT_KEY", "DATABASE_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE",
	} {
		value, set := os.LookupEnv(name)
		os.Unsetenv(name)
		if set {
			t.Cleanup(func() { os.Setenv(name, value) })
		}
	}
}

// TestWrongUsage: exit status 2 and a word about what is right.
func TestWrongUsage(t *testing.T) {
	settings(t)
	for want, args := range map[string][]string{
		"unexpected argument nothing":        {"nothing"},
		`expected one of "submit"`:           {},
		"no such file":                       {"submit", filepath.Join(t.TempDir(), "absent.json")},
		"--concurrency is 1 to 256":          {"submit", "-", "--concurrency", "0"},
		"an http or https URL":               {"submit", "-", "--server", "server.example"},
		"REFERRAL_API_KEY or --key":          {"status", "x", "--server", "https://server.example"},
		"--server https://server.example":    {"status", "https://server.example/fhir/_status/x"},
		"ends in /fhir/_status/":             {"status", "http://127.0.0.1:8080/fhir/Patient/x"},
		"5 to 200 entries":                   {"generate", "--entries", "4"},
		"a size is written as":               {"generate", "--attachment", "big"},
		"0 to 3000000 bytes":                 {"generate", "--attachment", "3MiB"},
		"--specialty must be one of":         {"generate", "--specialty", "astrology"},
		"an HPI-O has 16 digits":             {"generate", "--sender", "8003621566684456"},
		"--limit is a number from 0":         {"list", "--limit=-1"},
		"a day, an instant or a time span":   {"list", "--since", "yesterday"},
		"--state must be one of":             {"list", "--state", "queued"},
		"REFERRAL_QUEUE_URL":                 {"queue"},
		"AWS_REGION":                         {"queue", "--queue-url", "http://127.0.0.1:1/q"},
		"DATABASE_URL":                       {"migrate"},
		"the API key is not whole":           {"status", "x", "--key", "rk_prod_abcdefgh_" + strings.Repeat("A", 43) + "_00000000"},
		"no such file or directory":          {"status", "x", "--cacert", filepath.Join(t.TempDir(), "absent.pem")},
		"--cert and --cert-key":              {"status", "x", "--cert", "absent.pem"},
		`must be one of "bash","zsh","fish"`: {"completion", "tcsh"},
	} {
		referralctl(t, "", args...).want(t, exitUsage, "", want)
	}
}

func TestUnreachableServerIsExplained(t *testing.T) {
	settings(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	referralctl(t, "", "status", "x", "--server", gone.URL).want(t, exitFailed, "", "cannot reach "+gone.URL)
	referralctl(t, "{}", "submit", "-", "--server", gone.URL).want(t, exitFailed, "", "Start one with make run")
	referralctl(t, "", "env", "--data-dir", t.TempDir()).want(t, exitFailed, "", "no server is running")
}

func TestEnv(t *testing.T) {
	settings(t)
	endpoint := httptest.NewServer(http.NotFoundHandler())
	dir := t.TempDir()
	content := "REFERRAL_BASE_URL='http://127.0.0.1:8080'\nDATABASE_URL='postgres://x:it'\\''s@127.0.0.1/referral'\nREFERRAL_ADDR='" + endpoint.Listener.Addr().String() + "'\n"
	if err := os.WriteFile(filepath.Join(dir, "env"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := referralctl(t, "", "env", "--data-dir", dir); got.out != content || got.status != 0 {
		t.Errorf("got %+v, want the file as it is", got)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(referralctl(t, "", "env", "--json", "--data-dir", dir).out), &got); err != nil {
		t.Fatal(err)
	}
	if want := "postgres://x:it's@127.0.0.1/referral"; got["DATABASE_URL"] != want || len(got) != 3 {
		t.Errorf("got %v, want three variables and %q", got, want)
	}
	endpoint.Close()
	referralctl(t, "", "env", "--data-dir", dir).want(t, exitFailed, "", "ended without cleaning up")
}

func TestGenerate(t *testing.T) {
	settings(t)
	first := referralctl(t, "", "generate", "--count", "3", "--seed", "5", "--entries", "8", "--specialty", "neurology")
	again := referralctl(t, "", "generate", "--count", "3", "--seed", "5", "--entries", "8", "--specialty", "neurology")
	if lines := strings.Split(first.out, "\n"); len(lines) != 4 || first.out != again.out || first.err != "" || !strings.Contains(lines[2], "Neurology") {
		t.Errorf("got %d lines, the same again %v, errors %q; want 3 lines", len(lines)-1, first.out == again.out, first.err)
	}
	referralctl(t, "", "generate").want(t, 0, `"resourceType":"Bundle"`, "makes the same again")
	dir := filepath.Join(t.TempDir(), "new")
	referralctl(t, "", "generate", "--count", "2", "--seed", "5", "--out", dir).want(t, 0, "Wrote 2 referrals", "")
	if files, err := filepath.Glob(filepath.Join(dir, "referral-5-00000[12].json")); err != nil || len(files) != 2 {
		t.Errorf("got files %v, %v", files, err)
	}
	for text, want := range map[string]byteSize{"0": 0, "800": 800, "1KB": 1000, "64KiB": 65536, "3MB": 3e6, "2 MiB": 2 << 20, "7B": 7} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
}
