package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// planted stands in every place of a letter that may hold patient data.
const planted = "Citizen-Jane-PLANTED"

// sorter is the queues that the commands of a test work on, and the store.
type sorter struct {
	client   *sqs.Client
	to, dead string
	blobs    string // directory of claim checks
	store    string // its URL, as its owner
	keys     *referral.Keys
}

// newSorter starts localsqs with two queues and sets what names them.
func newSorter(t testing.TB) *sorter {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	server := httptest.NewUnstartedServer(nil)
	base := &url.URL{Scheme: "http", Host: server.Listener.Addr().String()}
	s, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = s
	server.Start()
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	settings(t)
	kd, km := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	keys, err := referral.NewKeys(kd, km)
	if err != nil {
		t.Fatal(err)
	}
	out := &sorter{blobs: t.TempDir(), store: pgtest.New(t), keys: keys}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SQS": base.String(), "AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"REFERRAL_BLOB_DIR": out.blobs, "DATABASE_URL": out.store,
		"REFERRAL_KD": base64.StdEncoding.EncodeToString(kd), "REFERRAL_KM": base64.StdEncoding.EncodeToString(km),
	} {
		t.Setenv(name, value)
	}
	sdk, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out.client = sqs.NewFromConfig(sdk)
	create := func(name string, attributes map[string]string) string {
		q, err := out.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		return *q.QueueUrl
	}
	out.dead = create("referrals-dead", nil)
	out.to = create("referrals", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:ap-southeast-2:000000000000:referrals-dead","maxReceiveCount":1000}`,
	})
	t.Setenv("REFERRAL_QUEUE_URL", out.to)
	return out
}

// die puts a letter into the dead-letter queue; a large one claims its body.
func (p *sorter) die(t testing.TB, id, org, class string, age time.Duration, large bool) {
	t.Helper()
	m := &queue.Message{
		ID: id, Client: "reception", Type: "transaction", RequestID: "r-" + id, AcceptedAt: time.Now().Add(-age).UTC().Truncate(time.Millisecond),
		Request: referral.Request{
			Org: org, KeyKind: referral.KeyRequest, Key: planted, Method: "PUT", URL: "/fhir/Patient?name=" + planted,
			Conditions: [4]string{planted}, ContentType: "application/fhir+json",
		},
	}
	m.Pack([]byte(`{"resourceType":"Patient","name":[{"text":"` + planted + `"}]}`))
	if large {
		key, body := m.CheckIn()
		file := filepath.Join(p.blobs, key)
		if err := os.MkdirAll(path.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	in := &sqs.SendMessageInput{QueueUrl: &p.dead, MessageBody: &body, MessageGroupId: &org}
	if class != "" {
		in.MessageAttributes = map[string]types.MessageAttributeValue{
			"Class": {DataType: aws.String("String"), StringValue: &class}, "Code": {DataType: aws.String("String"), StringValue: aws.String("panic")},
		}
	}
	if _, err := p.client.SendMessage(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// count is how many messages a queue has that are visible.
func (p *sorter) count(t testing.TB, queueURL string) string {
	t.Helper()
	out, err := p.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: []types.QueueAttributeName{"ApproximateNumberOfMessages"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"]
}

const (
	clinic   = "8003621566684455"
	hospital = "8003624900041689"
)

// fill lets four letters die: two of a bug, of which one is large, one of the hospital, and what is no envelope.
func (p *sorter) fill(t testing.TB) {
	t.Helper()
	p.die(t, "first", clinic, "bug", 3*time.Hour, false)
	p.die(t, "second", clinic, "bug", time.Hour, true)
	p.die(t, "third", hospital, "", 2*time.Hour, false)
	if _, err := p.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &p.dead, MessageBody: aws.String(planted)}); err != nil {
		t.Fatal(err)
	}
}

// squeezed is output with single spaces, so that columns do not matter.
func squeezed(r result) string { return strings.Join(strings.Fields(r.out), " ") }

func TestDLQShowsNoPatientData(t *testing.T) {
	p := newSorter(t)
	p.fill(t)
	list := referralctl(t, "", "dlq", "list")
	want := "age receives type class code org id 3h0m"
	if got := squeezed(list); !strings.HasPrefix(got, want) || !strings.Contains(got, "0 transaction bug panic "+clinic+" first 2h0m") ||
		!strings.HasSuffix(got, " 4 dead letters") || list.status != 0 {
		t.Errorf("got %q, %q, want %q and four letters", got, list.err, want)
	}
	all := []result{
		list, referralctl(t, "", "dlq", "list", "--json"), referralctl(t, "", "dlq", "show", "first"), referralctl(t, "", "dlq", "show", "second", "--json"),
		referralctl(t, "", "dlq", "replay"), referralctl(t, "", "dlq", "discard", "--json"), referralctl(t, "", "dlq", "archive"),
	}
	for _, r := range all {
		if r.status != 0 || strings.Contains(r.out+r.err, planted) {
			t.Errorf("got %+v, want no word of a patient", r)
		}
	}
	all[2].want(t, 0, "PUT /fhir/Patient\n", "")
	var listed struct {
		Queue    string
		Letters  []letter
		InFlight int
	}
	if err := json.Unmarshal([]byte(all[1].out), &listed); err != nil || listed.Queue != "referrals-dead" || len(listed.Letters) != 4 || listed.InFlight != 0 {
		t.Fatalf("got %q, error %v", all[1].out, err)
	}
	if l := listed.Letters[0]; l.ID != "first" || l.Org != clinic || l.Class != "bug" || l.Code != "panic" || l.Receives != 1 {
		t.Errorf("got %+v, want the oldest, which was looked at once", l)
	}
	// What is no envelope is known by its message.
	referralctl(t, "", "dlq", "show", listed.Letters[3].MessageID).want(t, 0, "none that this version can read", "")

	for id, large := range map[string]bool{"first": false, "second": true} {
		got := referralctl(t, "", "dlq", "show", id, "--body")
		got.want(t, 0, `"text":"`+planted+`"`, "patient data")
		got.want(t, 0, "", `"msg":"audit","action":"dlq show --body"`)
		if large && strings.Contains(got.err, planted) {
			t.Errorf("got %q in the audit", got.err)
		}
	}
	t.Setenv("REFERRAL_BLOB_DIR", "")
	referralctl(t, "", "dlq", "show", "second", "--body").want(t, exitFailed, "", "REFERRAL_BLOB_BUCKET or REFERRAL_BLOB_DIR")
	referralctl(t, "", "dlq", "show", "absent").want(t, exitFailed, "", "no dead letter absent")
	if got := p.count(t, p.dead); got != "4" {
		t.Errorf("%s letters are visible, want 4", got)
	}
}

func TestDLQReplay(t *testing.T) {
	p := newSorter(t)
	p.fill(t)
	dry := referralctl(t, "", "dlq", "replay", "--filter", "org="+clinic+",class=bug")
	dry.want(t, 0, "2 dead letters would be sent to referrals again.", "")
	dry.want(t, 0, "2  organisation "+clinic+", type transaction, class bug, code panic; the oldest is 3h0m", "")
	dry.want(t, 0, "Nothing was changed", "")
	if got := p.count(t, p.to); got != "0" {
		t.Errorf("a dry run has sent %s letters", got)
	}
	some := referralctl(t, "", "dlq", "replay", "--filter", "class=bug,older=2h", "--yes", "--reason", "INC-7: fixed")
	some.want(t, 0, "Sent 1 dead letters to referrals again; 3 are left", "")
	var audit struct {
		Action, Operator, Queue, Reason string
		Letters                         int
		Filter                          map[string]string
	}
	if err := json.Unmarshal([]byte(some.err), &audit); err != nil || audit.Action != "dlq replay" || audit.Reason != "INC-7: fixed" ||
		audit.Letters != 1 || audit.Queue != "referrals-dead" || audit.Filter["older"] != "2h" || !strings.Contains(audit.Operator, "@") {
		t.Errorf("got audit %+v, error %v", audit, err)
	}
	referralctl(t, "", "--json", "dlq", "replay", "--yes", "--reason", "INC-7", "--rate", "500").want(t, 0, `{"inFlight":0,"replayed":3,"visible":0}`, "")
	if to, dead := p.count(t, p.to), p.count(t, p.dead); to != "4" || dead != "0" {
		t.Errorf("got %s in the queue and %s dead letters, want all 4 in the queue", to, dead)
	}
}

// TestDLQReplayInterrupted: it says how far it came, and audits that.
func TestDLQReplayInterrupted(t *testing.T) {
	p := newSorter(t)
	for i := range 12 {
		p.die(t, fmt.Sprint("letter-", i), clinic, "bug", 0, false)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errs bytes.Buffer
	time.AfterFunc(500*time.Millisecond, interrupt) // some go at once, the others seconds later
	status := run(ctx, []string{"dlq", "replay", "--yes", "--reason", "INC-7", "--rate", "1", "--filter", "class=bug"}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	to, dead := p.count(t, p.to), p.count(t, p.dead)
	result{status, out.String(), errs.String()}.want(t, exitFailed, "", "interrupted: "+to+" dead letters were sent to referrals again. The same command goes on")
	if !strings.Contains(errs.String(), `"letters":`+to) {
		t.Errorf("got %q, want it audited", errs.String())
	}
	if n, err := strconv.Atoi(to); err != nil || n == 12 || strconv.Itoa(12-n) != dead {
		t.Errorf("got %s in the queue and %s dead letters, want 12 in all and some left", to, dead)
	}
}

func TestDLQDiscard(t *testing.T) {
	p := newSorter(t)
	p.fill(t)
	dir := t.TempDir()
	t.Setenv("REFERRAL_ARCHIVE_DIR", dir)
	referralctl(t, "", "dlq", "discard", "--filter", "class=bug").want(t, 0, "2 dead letters would be archived and deleted", "")
	referralctl(t, "", "--json", "dlq", "archive", "--filter", "class=bug").want(t, 0, `"archived":2,"lostClaims":0,"objects":[{"id":`, "")
	got := referralctl(t, "", "dlq", "discard", "--filter", "class=bug", "--yes", "--reason", "INC-8: test data")
	got.want(t, 0, "2 dead letters were discarded.", `"action":"dlq discard"`)
	files, err := filepath.Glob(filepath.Join(dir, "dead-letters", clinic, "*", "*"))
	if err != nil || len(files) != 3 {
		t.Errorf("got files %v, error %v; want two letters and a body", files, err)
	}
	if to, dead := p.count(t, p.to), p.count(t, p.dead); to != "0" || dead != "2" {
		t.Errorf("got %s in the queue and %s dead letters, want none and 2", to, dead)
	}
}

func TestDLQWrongUsage(t *testing.T) {
	settings(t)
	t.Setenv("REFERRAL_QUEUE_URL", "http://127.0.0.1:1/000000000000/referrals")
	t.Setenv("AWS_REGION", "ap-southeast-2")
	for want, args := range map[string][]string{
		"--filter knows org":             {"list", "--filter", "patient=x"},
		"older= is a time span":          {"list", "--filter", "older=yesterday"},
		"--filter org= has no value":     {"list", "--filter", "org="},
		"--max is a number":              {"replay", "--max=-1"},
		"--rate is 1 to 500":             {"replay", "--rate", "501"},
		"--yes needs --reason":           {"replay", "--yes"},
		"--yes needs --filter or --max":  {"discard", "--yes", "--reason", "x"},
		`expected one of "list", "show"`: {},
		"unexpected argument":            {"list", "x"},
		`expected "<id>"`:                {"show"},
		"why? --yes needs":               {"discard", "--yes", "--max", "1"},
	} {
		referralctl(t, "", append([]string{"dlq"}, args...)...).want(t, exitUsage, "", want)
	}
}

// TestDLQNeedsAnArchive before it deletes.
func TestDLQNeedsAnArchive(t *testing.T) {
	p := newSorter(t)
	p.fill(t)
	t.Setenv("REFERRAL_BLOB_DIR", "")
	referralctl(t, "", "dlq", "discard", "--max", "1", "--yes", "--reason", "x").want(t, exitUsage, "", "REFERRAL_ARCHIVE_BUCKET or REFERRAL_ARCHIVE_DIR")
	if got := p.count(t, p.dead); got != "4" {
		t.Errorf("%s letters are left, want 4", got)
	}
}

// rows is what the store has, as its owner sees it.
func (p *sorter) rows(t testing.TB, query string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// accepted is a message as ingest makes it, of a request with a key.
func (p *sorter) accepted(key string) *queue.Message {
	m := &queue.Message{
		Client: "reception", Type: "transaction", RequestID: "r-" + key, AcceptedAt: time.UnixMilli(1790000000000).UTC(),
		Request: referral.Request{Org: clinic, KeyKind: referral.KeyHeader, Key: key, Method: "POST", URL: "/fhir", ContentType: "application/fhir+json"},
	}
	m.Pack([]byte(`{"resourceType":"Bundle","type":"transaction"}`))
	m.ID = p.keys.Mint(referral.Submission{Org: clinic, AcceptedAt: m.AcceptedAt, Digest: p.keys.Digest(m.Request)})
	return m
}

// genuine puts a letter into the dead-letter queue that ingest accepted, and returns its id.
func (p *sorter) genuine(t testing.TB, key string) string {
	t.Helper()
	m := p.accepted(key)
	p.deliver(t, p.dead, m)
	return m.ID
}

// deliver puts a message into a queue, and returns its text.
func (p *sorter) deliver(t testing.TB, queueURL string, m *queue.Message) string {
	t.Helper()
	body, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
	return body
}

// TestDLQDiscardEndsSubmissions: those that ingest accepted end as rejected, and who did so and why is in the audit of their
// organisation. What is forged ends nobody's.
func TestDLQDiscardEndsSubmissions(t *testing.T) {
	p := newSorter(t)
	t.Setenv("REFERRAL_ARCHIVE_DIR", t.TempDir())
	p.genuine(t, "k")
	p.die(t, "forged", clinic, "security", 0, false)
	referralctl(t, "", "dlq", "discard", "--max", "9", "--yes", "--reason", "INC-8").want(t, 0, "2 dead letters were discarded.", "")
	got := p.rows(t, `select concat_ws(' ', state, bundle_type, outcome::json->'issue'->0->>'code', answers::json->0->>'status', length(content) > 0) from submission`)
	if diff := cmp.Diff([]string{"rejected transaction business-rule 422 t"}, got); diff != "" {
		t.Errorf("submissions (-want +got):\n%s", diff)
	}
	got = p.rows(t, `select concat_ws(' ', org, action, regexp_replace(entity, '[0-9a-f]{32}', 'D'), reason) from audit where reason is not null and client = '`+operator()+`' order by id`)
	if diff := cmp.Diff([]string{"operator D queue/referrals-dead INC-8", clinic + " D submission/D INC-8"}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if got := p.count(t, p.dead); got != "0" {
		t.Errorf("%s letters are left, want none", got)
	}
}

// TestDLQReplayIsAudited with who, why and what.
func TestDLQReplayIsAudited(t *testing.T) {
	p := newSorter(t)
	id := p.genuine(t, "k")
	referralctl(t, "", "dlq", "replay", "--filter", "id="+id, "--yes", "--reason", "INC-9").want(t, 0, "Sent 1 dead letters", "")
	got := p.rows(t, `select concat_ws(' ', org, client, action, entity, reason) from audit`)
	if diff := cmp.Diff([]string{"operator " + operator() + " E queue/referrals-dead?id=" + id + " INC-9"}, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// TestDLQDoesNothingUnaudited: without the store, without its audit, and without the keys that tell whose a letter is.
func TestDLQDoesNothingUnaudited(t *testing.T) {
	p := newSorter(t)
	t.Setenv("REFERRAL_ARCHIVE_DIR", t.TempDir())
	p.genuine(t, "k")
	replay, discard := []string{"dlq", "replay", "--yes", "--reason", "x"}, []string{"dlq", "discard", "--max", "1", "--yes", "--reason", "x"}
	for name, test := range map[string]struct {
		variable, value string
		args            []string
		status          int
		error           string
	}{
		"replay without a store":      {"DATABASE_URL", "", replay, exitUsage, "DATABASE_URL must be set"},
		"replay with the store down":  {"DATABASE_URL", "postgres://nobody@127.0.0.1:1/x", replay, exitFailed, "the store is unavailable"},
		"discard without a store":     {"DATABASE_URL", "", discard, exitUsage, "DATABASE_URL must be set"},
		"discard with the store down": {"DATABASE_URL", "postgres://nobody@127.0.0.1:1/x", discard, exitFailed, "the store is unavailable"},
		"discard without the keys":    {"REFERRAL_KD", "", discard, exitUsage, "REFERRAL_KD must be set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(test.variable, test.value)
			referralctl(t, "", test.args...).want(t, test.status, "", test.error)
			if to, dead := p.count(t, p.to), p.count(t, p.dead); to != "0" || dead != "1" {
				t.Errorf("got %s in the queue and %s dead letters, want none and 1", to, dead)
			}
		})
	}
}
