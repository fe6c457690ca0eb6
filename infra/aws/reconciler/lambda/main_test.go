package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

const sender = "8003621566684455"

// logs stand in for CloudWatch Logs (API Reference, FilterLogEvents): a page of two lines at a time, the times of requests noted.
type logs struct {
	lines    []string
	from, to int64
	broken   bool
}

func (l *logs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		LogGroupName, NextToken string
		StartTime, EndTime      int64
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "Logs_20140328.FilterLogEvents" || in.LogGroupName != "ingest" || l.broken {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.from, l.to = in.StartTime, in.EndTime
	type logEvent struct {
		Message string `json:"message"`
	}
	out := struct {
		Events    []logEvent `json:"events"`
		NextToken string     `json:"nextToken,omitempty"`
	}{Events: []logEvent{}}
	at, _ := strconv.Atoi(in.NextToken)
	for i := at; i < min(at+2, len(l.lines)); i++ {
		out.Events = append(out.Events, logEvent{l.lines[i]})
	}
	if at+2 < len(l.lines) {
		out.NextToken = strconv.Itoa(at + 2)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

// TestReconciler: what has settled or is quarantined is in order, whoever sent it, and the rest is told of, once however
// many lines it has; a log that cannot be read and ids that nobody can look up fail the invocation.
func TestReconciler(t *testing.T) {
	url := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	service := &logs{}
	server := httptest.NewServer(service)
	defer server.Close()
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, value := range map[string]string{"AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": server.URL} {
		t.Setenv(name, value)
	}
	out := &bytes.Buffer{}
	r, err := open(t.Context(), envtest.Settings(map[string]string{"REFERRAL_INGEST_LOG": "ingest", "DATABASE_URL": url, "REFERRAL_KD": key, "REFERRAL_KM": key}), out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.store.Close()
	now := time.Now()
	r.now = func() time.Time { return now }
	add := func(org string, n byte, state string) string {
		digest := referral.Digest{n}
		id := r.keys.Mint(referral.Submission{Org: org, AcceptedAt: time.Now().Add(-time.Hour), Digest: digest})
		service.lines = append(service.lines, fmt.Sprintf(`{"msg":"request","requestId":"r-%d","route":"POST /fhir","status":202,"org":%q,"submission":%q}`, n, org, id))
		if state == "" {
			return id
		}
		if _, err := conn.Exec(t.Context(), `insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256)
			values ($1, $2, now(), 'random', sha256($2), 'c', 'r', $3, now(), 1, 'transaction', '', 'zstd', sha256(''))`, org, digest[:], state); err != nil {
			t.Fatal(err)
		}
		return id
	}
	add(sender, 1, "completed")
	add(sender, 2, "quarantined")
	add("8003624900041689", 3, "rejected")
	service.lines = append(service.lines, "START RequestId: 1", `{"_aws":{},"Accepted":1}`)
	if err := r.reconcile(t.Context(), event{}); err != nil {
		t.Fatal(err)
	}
	if want := [2]int64{now.Add(-75 * time.Minute).UnixMilli(), now.Add(-15 * time.Minute).UnixMilli()}; service.from != want[0] || service.to != want[1] {
		t.Errorf("looked from %d to %d, want %v", service.from, service.to, want)
	}
	wantLines(t, out, "INFO reconciled 0 of 3")

	first := add(sender, 4, "")
	second := add("8003624900041689", 1, "") // the digest of one of the other sender
	service.lines = append(service.lines, service.lines...)
	if err := r.reconcile(t.Context(), event{Hours: 25}); err != nil {
		t.Fatal(err)
	}
	if got := now.Add(-25*time.Hour - grace).UnixMilli(); service.from != got {
		t.Errorf("looked from %d, want %d", service.from, got)
	}
	wantLines(t, out, "ERROR overdue "+first, "ERROR overdue "+second, "INFO reconciled 2 of 10")

	service.lines = append(service.lines, `{"msg":"request","route":"POST /fhir","status":202,"org":"8003621566684455","submission":"of-other-keys"}`)
	if err := r.reconcile(t.Context(), event{}); err == nil || !strings.Contains(err.Error(), "1 of 11 accepted") {
		t.Errorf("got error %v, want that an id is not of these keys", err)
	}
	service.lines = append(service.lines[:3:3], `{"level":"ERROR","msg":"lines dropped","lines":2}`)
	if err := r.reconcile(t.Context(), event{}); err == nil || !strings.Contains(err.Error(), "lacks 2 lines") {
		t.Errorf("got error %v, want that lines are missing", err)
	}
	if service.broken = true; r.reconcile(t.Context(), event{}) == nil {
		t.Error("a log that cannot be read is no failure")
	}
	service.broken, service.lines = false, service.lines[:1]
	if _, err := conn.Exec(t.Context(), "drop table submission cascade"); err != nil {
		t.Fatal(err)
	}
	if r.reconcile(t.Context(), event{}) == nil {
		t.Error("a store that cannot be asked is no failure")
	}
}

// wantLines holds what was logged since the last time to its level, message and submission, or sums, in any order.
func wantLines(t *testing.T, out *bytes.Buffer, want ...string) {
	t.Helper()
	got := []string{}
	for lines := json.NewDecoder(out); lines.More(); {
		var l struct {
			Level, Msg, Submission string
			Overdue, Accepted      int
		}
		if err := lines.Decode(&l); err != nil {
			t.Fatal(err)
		}
		text := l.Level + " " + l.Msg + " " + l.Submission
		if l.Submission == "" {
			text += fmt.Sprintf("%d of %d", l.Overdue, l.Accepted)
		}
		got = append(got, text)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}

func TestEverySettingIsNeeded(t *testing.T) {
	_, err := start(t.Context(), envtest.Settings(nil))
	for _, name := range []string{"REFERRAL_INGEST_LOG", "DATABASE_URL", "REFERRAL_KD", "REFERRAL_KM"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want that it names %s", err, name)
		}
	}
}
