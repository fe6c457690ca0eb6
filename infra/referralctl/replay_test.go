package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// The long run says: go test ./infra/referralctl -run '^TestReplayNeverOverwrites$' -replays 10000 -v
var replays = flag.Int("replays", 40, "how many dead letters TestReplayNeverOverwrites replays; from 1000 on it wants 300 a second")

// write is a write of one Patient that ingest accepted so long ago.
func (p *sorter) write(method, id, key, language string, age time.Duration) *queue.Message {
	m := &queue.Message{
		Client: "reception", Type: map[string]string{"POST": "create", "PUT": "update"}[method], RequestID: key, AcceptedAt: time.Now().Add(-age).UTC().Truncate(time.Millisecond),
		Request: referral.Request{Org: clinic, KeyKind: referral.KeyRandom, Key: key, Method: method, URL: "/fhir/Patient", ContentType: "application/fhir+json"},
	}
	member := ""
	if id != "" {
		m.Request.URL += "/" + id
		member = `,"id":"` + id + `"`
	}
	m.Pack([]byte(`{"resourceType":"Patient"` + member + `,"language":"` + language + `"}`))
	m.ID = p.keys.Mint(referral.Submission{Org: clinic, AcceptedAt: m.AcceptedAt, Digest: p.keys.Digest(m.Request)})
	return m
}

// dieAll puts letters into the dead-letter queue, ten at once.
func (p *sorter) dieAll(t testing.TB, class string, letters []*queue.Message) {
	t.Helper()
	for some := range slices.Chunk(letters, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &p.dead}
		for i, m := range some {
			body, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: &body, MessageGroupId: &m.Request.Org,
				MessageAttributes: map[string]types.MessageAttributeValue{"Class": {DataType: aws.String("String"), StringValue: &class}},
			})
		}
		if out, err := p.client.SendMessageBatch(t.Context(), in); err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out)
		}
	}
}

// TestReplayNeverOverwrites replays dead letters while a processor settles them, half of them updates of what has newer
// data since: those end as rejected, the others are carried out, each once, and the newer data stays.
func TestReplayNeverOverwrites(t *testing.T) {
	p := newSorter(t)
	n := *replays
	store, err := postgres.Open(postgres.Config{URL: p.store, Role: postgres.RoleProcessor, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	settling := processor.New(processor.Config{Store: store, Keys: p.keys, Schemas: schemas.New(schemas.Config{})})
	settle := func(m *queue.Message) {
		t.Helper()
		body, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := settling.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: body}}})
		if err != nil || len(got.BatchItemFailures) > 0 {
			t.Fatalf("got %v, error %v; want it settled", got, err)
		}
	}
	const patients = 10
	var stale, fresh []*queue.Message
	for i := range patients {
		first := p.write("POST", "", fmt.Sprint("first-", i), "en-1", 3*time.Hour)
		id := p.keys.ResourceID(clinic, p.keys.Digest(first.Request), first.AcceptedAt, 0).String()
		settle(first)
		settle(p.write("PUT", id, fmt.Sprint("newest-", i), "en-2", time.Hour))
		for range n / 2 / patients {
			stale = append(stale, p.write("PUT", id, fmt.Sprint("stale-", len(stale)), "en-3", 2*time.Hour))
			fresh = append(fresh, p.write("POST", "", fmt.Sprint("fresh-", len(fresh)), "en-4", 2*time.Hour))
		}
	}
	p.dieAll(t, "bug", stale)
	p.dieAll(t, "exception", fresh)
	settled := func() int {
		return len(p.rows(t, `select request_id from submission where request_id ~ '^(stale|fresh)-'`))
	}

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() {
		if err := eventsource.Run(ctx, eventsource.Config{Client: p.client, QueueURL: p.to, Handler: settling.HandleSQS, Concurrency: 2}); err != nil {
			t.Error(err)
		}
	})
	begun := time.Now()
	timed := func(what string, letters int, args ...string) {
		t.Helper()
		start := time.Now()
		referralctl(t, "", append([]string{"dlq", "replay", "--yes", "--reason", "INC-5", "--rate", "500"}, args...)...).
			want(t, 0, fmt.Sprintf("Sent %d dead letters", letters), "")
		rate := float64(letters) / time.Since(start).Seconds()
		t.Logf("%s: %d dead letters in %v, %.0f/s", what, letters, time.Since(start).Round(time.Millisecond), rate)
		if n >= 1000 && rate < 300 {
			t.Errorf("%s: %.0f dead letters a second, want 300", what, rate)
		}
	}
	timed("chosen ones (received, sent, deleted)", len(stale), "--filter", "class=bug")
	timed("all others (StartMessageMoveTask)", len(fresh))
	for deadline := time.Now().Add(time.Minute + time.Duration(n)*20*time.Millisecond); settled() < n && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d replayed and settled in %v, %.0f/s", n, time.Since(begun).Round(time.Millisecond), float64(n)/time.Since(begun).Seconds())

	got := p.rows(t, `select concat_ws(' ', split_part(request_id, '-', 1), state, answers::json->0->>'status', count(*)) from submission
		group by split_part(request_id, '-', 1), state, answers::json->0->>'status' order by 1`)
	want := []string{
		fmt.Sprintf("first completed %d", patients), fmt.Sprintf("fresh completed %d", len(fresh)),
		fmt.Sprintf("newest completed 200 %d", patients), fmt.Sprintf("stale rejected 409 %d", len(stale)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("submissions (-want +got):\n%s", diff)
	}
	got = p.rows(t, `select concat_ws(' ', substring(content from 'en-\d'), version, count(*)) from resource group by substring(content from 'en-\d'), version order by 1`)
	if diff := cmp.Diff([]string{fmt.Sprintf("en-2 2 %d", patients), fmt.Sprintf("en-4 1 %d", len(fresh))}, got); diff != "" {
		t.Errorf("current versions (-want +got):\n%s", diff)
	}
	if left := p.count(t, p.dead); left != "0" {
		t.Errorf("%s dead letters are left", left)
	}
}
