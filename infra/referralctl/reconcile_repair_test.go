package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// settle gives the submission of m a row of that state.
func (p *sorter) settle(t testing.TB, m *queue.Message, state referral.State) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	digest := p.keys.Digest(m.Request)
	if _, err := conn.Exec(t.Context(), `insert into submission (org, d, accepted_at, key_kind, key, client, request_id, state, settled_at, attempts, bundle_type, content, encoding, sha256)
		values ($1, $2, $3, 'random', sha256($2), 'c', 'r', $4, now(), 1, 'transaction', '', 'zstd', sha256(''))
		on conflict (org, d) do update set state = excluded.state`, m.Request.Org, digest[:], m.AcceptedAt, state); err != nil {
		t.Fatal(err)
	}
}

// claim keeps the body of m as ingest does, so long ago.
func (p *sorter) claim(t testing.TB, m *queue.Message, age time.Duration) (key string) {
	t.Helper()
	key, object := m.CheckIn()
	file := filepath.Join(p.blobs, key)
	if err := os.MkdirAll(path.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, object, 0o600); err != nil {
		t.Fatal(err)
	}
	p.aged(t, key, age)
	return key
}

// aged makes a claimed body so old.
func (p *sorter) aged(t testing.TB, key string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(p.blobs, key), then, then); err != nil {
		t.Fatal(err)
	}
}

// drain takes all messages out of a queue, and returns their texts.
func (p *sorter) drain(t testing.TB, queueURL string) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	for {
		out, err := p.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queueURL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return got
		}
		for _, m := range out.Messages {
			got[*m.Body] = true
			if _, err := p.client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// receive takes up to ten messages of a queue in hand.
func (p *sorter) receive(t testing.TB, queueURL string) int {
	t.Helper()
	out, err := p.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queueURL, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Messages)
}

// TestReconcileRepairs sends what the archive and claimed bodies hold again, as it was, and names the rest. What is
// forged, or is in the archive under another's name, is not taken for what is missing.
func TestReconcileRepairs(t *testing.T) {
	p := newSorter(t)
	archive := t.TempDir()
	t.Setenv("REFERRAL_ARCHIVE_DIR", archive)
	log := strings.Builder{}
	message := func(key string) *queue.Message {
		m := p.accepted(key)
		fmt.Fprintf(&log, `{"msg":"request","requestId":"%s","route":"POST /fhir","status":202,"org":"%s","submission":"%s"}`+"\n", m.RequestID, clinic, m.ID)
		return m
	}
	want := map[string]bool{}
	archived, large, stranded := message("archived"), message("large"), message("stranded")
	for _, m := range []*queue.Message{archived, large, stranded} {
		if m == large {
			p.claim(t, m, time.Hour)
		}
		want[p.deliver(t, p.dead, m)] = true
	}
	forged := p.accepted("archived")
	forged.Pack([]byte(planted))
	p.deliver(t, p.dead, forged)
	referralctl(t, "", "dlq", "archive").want(t, 0, "4 dead letters were archived.", "")
	p.drain(t, p.dead)
	if err := os.RemoveAll(filepath.Join(p.blobs, clinic)); err != nil { // the body is in the archive alone
		t.Fatal(err)
	}
	claimed := message("claimed")
	p.claim(t, claimed, time.Hour)
	text, err := claimed.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want[text] = true
	old := message("body alone")
	p.claim(t, old, time.Hour)
	if err := os.WriteFile(filepath.Join(p.blobs, old.Claim), []byte("of an earlier release"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.aged(t, old.Claim, time.Hour)
	dead, quarantined, done := message("dead"), message("quarantined"), message("done")
	message("nowhere")
	for _, m := range []*queue.Message{dead, quarantined, forged} {
		p.deliver(t, p.dead, m)
	}
	p.settle(t, stranded, referral.Quarantined)
	p.settle(t, quarantined, referral.Quarantined)
	p.settle(t, done, referral.Completed)

	got := referralctl(t, log.String(), "reconcile")
	got.want(t, exitFailed, "9 accepted: 1 completed, 0 rejected, 0 cancelled, 1 quarantined, 0 on their way, 7 missing.\n", "")
	for key, held := range map[string]string{
		"archived": heldArchived, "large": heldArchived, "stranded": heldArchived, "claimed": heldClaimed, "dead": heldDead, "nowhere": "-",
	} {
		got.want(t, exitFailed, fmt.Sprintf("r-%-22s  %-11s  %s\n", key, held, p.accepted(key).ID), "")
	}
	got.want(t, exitFailed, "1 in the dead-letter queue (deadLetters): referralctl dlq replay.\n4 in object storage (archived, claimed)", "")
	got.want(t, exitFailed, "2 nowhere that was looked: ask each sender to send that request again, with the same Idempotency-Key", "")
	referralctl(t, "", "reconcile", "--objects").want(t, exitFailed, "5 accepted: 0 completed, 0 rejected, 0 cancelled, 0 quarantined, 0 on their way, 4 missing; 1 ids are not of these keys.", "")
	if n := p.count(t, p.to); n != "0" {
		t.Errorf("looking has sent %s messages", n)
	}

	referralctl(t, log.String(), "reconcile", "--repair").want(t, exitUsage, "", "--repair needs --reason")
	referralctl(t, log.String(), "reconcile", "--repair", "--reason", "x", "--rate", "0").want(t, exitUsage, "", "--rate is 1 to 500")
	some := referralctl(t, log.String(), "reconcile", "--repair", "--reason", "INC-1", "--max", "1")
	some.want(t, exitFailed, "1 were sent again, 3 are left to be", `"action":"reconcile --repair"`)
	referralctl(t, log.String(), "reconcile").want(t, exitFailed, "The queue has 1 messages, which may be among them", "")
	referralctl(t, log.String(), "--json", "reconcile", "--repair", "--reason", "INC-1", "--rate", "500").want(t, exitFailed, `"repaired":4,"missing":[{`, "")
	if diff := cmp.Diff(want, p.drain(t, p.to)); diff != "" {
		t.Errorf("sent again (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(p.blobs, large.Claim)); err != nil {
		t.Errorf("the body of what was sent again is not where it is claimed: %v", err)
	}
	audit := p.rows(t, `select concat_ws(' ', org, action, entity, reason) from audit order by id`)
	if diff := cmp.Diff([]string{"operator E queue/referrals?missing=1 INC-1", "operator E queue/referrals?missing=4 INC-1"}, audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}

	for _, m := range []*queue.Message{archived, large, stranded, claimed} {
		p.settle(t, m, referral.Completed)
	}
	referralctl(t, log.String(), "reconcile", "--repair", "--reason", "INC-1").want(t, exitFailed, "5 completed, 0 rejected, 0 cancelled, 1 quarantined, 0 on their way, 3 missing.", "")
	if n := p.count(t, p.to); n != "0" {
		t.Errorf("%s messages were sent although nothing is left to repair", n)
	}
}

// TestReconcileRepairNeedsTheAudit: nothing is sent that is not kept.
func TestReconcileRepairNeedsTheAudit(t *testing.T) {
	p := newSorter(t)
	p.claim(t, p.accepted("k"), time.Hour)
	p.rows(t, `alter table audit add check (reason is null)`)
	referralctl(t, "", "reconcile", "--objects", "--repair", "--reason", "INC-1").want(t, exitFailed, "1 missing", "audit")
	if n := p.count(t, p.to); n != "0" {
		t.Errorf("%s messages were sent unaudited", n)
	}
}

// TestReconcileObjectsInDeadLetters: a body alone does not tell the id of its submission, whose letter does.
func TestReconcileObjectsInDeadLetters(t *testing.T) {
	p := newSorter(t)
	m := p.accepted("large")
	p.claim(t, m, time.Hour)
	p.deliver(t, p.dead, m)
	referralctl(t, "", "--json", "reconcile", "--objects").want(t, exitFailed, `"missing":[{"id":"`+m.ID+`"`, "")
	referralctl(t, "", "reconcile", "--objects").want(t, exitFailed, "1 missing.\n1 in the dead-letter queue (deadLetters)", "")
}

// TestDLQRestore puts back what has not settled, and nothing twice.
func TestDLQRestore(t *testing.T) {
	p := newSorter(t)
	t.Setenv("REFERRAL_ARCHIVE_DIR", t.TempDir())
	first, second := p.accepted("first"), p.accepted("second")
	p.claim(t, first, time.Hour)
	want := map[string]bool{p.deliver(t, p.dead, first): true}
	p.deliver(t, p.dead, second)
	p.die(t, "forged", clinic, "security", 0, false)
	referralctl(t, "", "dlq", "archive").want(t, 0, "3 dead letters were archived.", "")
	for text := range p.drain(t, p.dead) {
		if strings.Contains(text, `"id":"forged"`) {
			want[text] = true
		}
	}
	p.settle(t, first, referral.Quarantined)
	p.settle(t, second, referral.Rejected)
	if err := os.RemoveAll(filepath.Join(p.blobs, clinic)); err != nil {
		t.Fatal(err)
	}
	referralctl(t, "", "dlq", "restore").want(t, 0, "2 archived dead letters would be put back; 0 are in the queue already, of 1 the submission has settled.\nNothing was changed", "")
	if n := p.count(t, p.dead); n != "0" {
		t.Errorf("a dry run has put %s letters back", n)
	}
	referralctl(t, "", "dlq", "restore", "--yes").want(t, exitUsage, "", "--yes needs --reason")
	referralctl(t, "", "dlq", "restore", "--filter", "class=security", "--yes", "--reason", "INC-2").want(t, 0, "1 archived dead letters were put back", `"action":"dlq restore"`)
	referralctl(t, "", "--json", "dlq", "restore", "--yes", "--reason", "INC-2").want(t, 0, `{"restored":1,"there":1,"settled":1,"lostClaims":0,"dryRun":false}`, "")
	referralctl(t, "", "dlq", "restore", "--yes", "--reason", "INC-2").want(t, 0, "0 archived dead letters were put back; 2 are in the queue already", "")
	referralctl(t, "", "dlq", "show", first.ID, "--body").want(t, 0, `{"resourceType":"Bundle"`, "")
	if diff := cmp.Diff(want, p.drain(t, p.dead)); diff != "" {
		t.Errorf("put back (-want +got):\n%s", diff)
	}
	audit := p.rows(t, `select concat_ws(' ', org, action, entity, reason) from audit where reason is not null order by id limit 1`)
	if diff := cmp.Diff([]string{"operator E queue/referrals-dead?class=security INC-2"}, audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
