package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// TestReconcile has one submission of each kind in the log, one of them three times, and lines of other requests.
func TestReconcile(t *testing.T) {
	settings(t)
	referralctl(t, "", "reconcile").want(t, exitUsage, "", "DATABASE_URL")
	url := pgtest.New(t)
	t.Setenv("DATABASE_URL", url)
	t.Setenv("REFERRAL_KD", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
	t.Setenv("REFERRAL_KM", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=")
	keys := func(km byte) *referral.Keys {
		k, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{km}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	const sender = "8003621566684455"
	log := strings.Builder{}
	add := func(km byte, n int, age time.Duration, state string) string {
		id := keys(km).Mint(referral.Submission{Org: sender, AcceptedAt: time.Now().Add(-age), Digest: referral.Digest{byte(n)}})
		fmt.Fprintf(&log, `2026-11-23T01:02:03Z {"msg":"request","requestId":"r-%d","route":"POST /fhir","status":202,"org":"%s","submission":"%s"}`+"\n", n, sender, id)
		if state != "" {
			digest := referral.Digest{byte(n)}
			if _, err := conn.Exec(t.Context(), `insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256)
				values ($1, $2, now(), 'random', sha256($2), 'c', 'r', $3, now(), 1, 'transaction', '', 'zstd', sha256(''))`, sender, digest[:], state); err != nil {
				t.Fatal(err)
			}
		}
		return id
	}
	for n, state := range []string{"completed", "rejected", "cancelled", "quarantined"} {
		add(2, n+1, time.Hour, state)
	}
	add(2, 1, time.Minute, "") // sent again
	add(2, 5, time.Minute, "")
	add(3, 6, time.Hour, "")
	log.WriteString("no JSON\n{\"msg\":\"delivery\",\"submission\":\"x\"}\n")
	fmt.Fprintf(&log, `{"msg":"request","route":"GET /fhir/_status/{id}","status":202,"org":"%s","submission":"x"}`+"\n", sender)
	fmt.Fprintf(&log, `{"msg":"request","route":"POST /fhir","status":503,"org":"%s","submission":"x"}`+"\n", sender)
	const all = "1 completed, 1 rejected, 1 cancelled, 1 quarantined, 1 on their way, "
	referralctl(t, log.String(), "reconcile").want(t, 0, "5 accepted: "+all+"0 missing; 1 ids are not of these keys.\n", "")

	referralctl(t, log.String()+`{"level":"ERROR","msg":"lines dropped","lines":3}`, "reconcile").want(t, exitFailed, "5 accepted: "+all+"0 missing; 1 ids are not of these keys.\n3 lines of the log are missing", "")

	missing := add(2, 7, time.Hour, "")
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	referralctl(t, "", "reconcile", file).want(t, exitFailed, "r-7                       -            "+missing+"\n6 accepted: "+all+"1 missing;", "")
	referralctl(t, "", "--json", "reconcile", file, file).want(t, exitFailed, `"missing":[{"id":"`+missing+`","org":"`+sender+`","requestId":"r-7",`, "")
	referralctl(t, "", "reconcile", "--grace", "2h", file).want(t, 0, "2 on their way, 0 missing", "")
	referralctl(t, "", "reconcile", file+".none").want(t, exitUsage, "", "no such file")
}
