package processor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

const (
	sender    = "8003621566684455"
	recipient = "8003624900041689"
)

var acceptedAt = time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC)

// fixture is a processor over a store of its own.
type fixture struct {
	*processor.Processor
	keys *referral.Keys
	url  string // of the store, as its owner
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	url := pgtest.New(t)
	db, err := postgres.Open(postgres.Config{URL: url, Role: postgres.RoleProcessor, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{Processor: processor.New(processor.Config{Store: db, Keys: keys}), keys: keys, url: url}
}

// message is what ingest makes of body.
func (f *fixture) message(kind referral.KeyKind, key, body string) *queue.Message {
	m := &queue.Message{
		Client: "dev-sender", Type: "transaction", RequestID: "r", AcceptedAt: acceptedAt,
		Request: referral.Request{Org: sender, KeyKind: kind, Key: key, Method: "POST", URL: "/fhir", ContentType: "application/fhir+json"},
	}
	m.Pack([]byte(body))
	m.ID = f.keys.Mint(referral.Submission{Org: sender, AcceptedAt: acceptedAt, Digest: f.keys.Digest(m.Request)})
	return m
}

// value runs a query of one value as the store's owner, whom row-level security does not bind.
func value[T any](t testing.TB, f *fixture, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func referralBody(t testing.TB, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", "referrals", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestSettleStoresTheReferral(t *testing.T) {
	f := newFixture(t)
	body := referralBody(t, "cardiology-referral")
	state, err := f.Settle(t.Context(), f.message(referral.KeyRequest, "", body), 1)
	if err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	entries := int64(strings.Count(body, `"fullUrl"`))
	if got := value[int64](t, f, `select count(*) from resource where org = $1`, sender); got != entries {
		t.Errorf("got %d resources, want %d", got, entries)
	}
	if got := value[string](t, f, `select coalesce(string_agg(content || meta, ''), '') from resource`); strings.Contains(got, "urn:uuid:") {
		t.Errorf("a urn:uuid link was left: %s", regexp.MustCompile(`.{60}urn:uuid:.{40}`).FindString(got))
	}
	for _, decimal := range []string{"3.80", "2.50"} {
		if got := value[int64](t, f, `select count(*) from resource where content like '%' || $1 || '%'`, decimal); got == 0 {
			t.Errorf("the decimal %s lost its form", decimal)
		}
	}
	vids := value[bool](t, f, `select bool_and(vid >> 22 = (extract(epoch from last_updated) * 1000)::int8 - 1577836800000) and
		count(distinct vid >> 10) = 1 and min(vid & 1023) = 0 and max(vid & 1023) = count(*) - 1 from resource`)
	if !vids {
		t.Error("the vids are not one block of the settlement's millisecond")
	}
	type link struct{ Request, Task string }
	got := link{
		value[string](t, f, `select 'ServiceRequest/' || id from resource where type = 'ServiceRequest'`),
		value[string](t, f, `select (('{' || content || '}')::json->'focus'->>'reference') from resource where type = 'Task'`),
	}
	if got.Request != got.Task {
		t.Errorf("Task.focus is %s, want %s", got.Task, got.Request)
	}
	want := []string{recipient}
	if diff := cmp.Diff(want, value[[]string](t, f, `select readers from resource where type = 'Patient'`)); diff != "" {
		t.Errorf("readers of the Patient (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, value[[]string](t, f, `select readers from submission`)); diff != "" {
		t.Errorf("readers of the submission (-want +got):\n%s", diff)
	}
	if got := value[string](t, f, `select patient from submission`); got != value[string](t, f, `select 'Patient/' || id from resource where type = 'Patient'`) {
		t.Errorf("the summary names %s, want the stored Patient", got)
	}
	if got := value[string](t, f, `select request from submission`); got != value[string](t, f, `select 'ServiceRequest/' || id from resource where type = 'ServiceRequest'`) {
		t.Errorf("the summary is of %s, want the stored ServiceRequest", got)
	}
	packed := value[[]byte](t, f, `select content from submission`)
	if unpacked, err := queue.Unpack(packed); err != nil || string(unpacked) != body {
		t.Errorf("the bytes as received were not kept (error %v)", err)
	}
}

// TestSettleTwentyTimesSettlesOnce delivers one message twenty times at once; without the inbox row there would be
// twenty.
func TestSettleTwentyTimesSettlesOnce(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral"))
	var mu sync.Mutex
	first := 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			state, err := f.Settle(t.Context(), m, 1)
			if err != nil {
				t.Errorf("got error %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if state == referral.Completed {
				first++
			}
		})
	}
	wg.Wait()
	if first != 1 {
		t.Errorf("%d deliveries settled, want 1", first)
	}
	for _, table := range []string{"submission", "audit"} {
		if got := value[int64](t, f, `select count(*) from `+table); got != 1 {
			t.Errorf("got %d rows in %s, want 1", got, table)
		}
	}
	if got := value[int64](t, f, `select count(*) from resource where type = 'Patient'`); got != 1 {
		t.Errorf("got %d patients, want 1", got)
	}
}

func TestSettleTwiceWithoutTheInboxRowStoresTwice(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral"))
	for range 2 {
		if _, err := f.Settle(t.Context(), m, 1); err != nil {
			t.Fatal(err)
		}
		// The control: with the row gone, the second delivery is not recognised and goes on to the resources.
		value[int64](t, f, `with gone as (delete from submission returning 1) select count(*) from gone`)
		value[int64](t, f, `with moved as (update resource set id = gen_random_uuid() returning 1) select count(*) from moved`)
	}
	if got := value[int64](t, f, `select count(*) from resource where type = 'Patient'`); got != 2 {
		t.Errorf("got %d patients without the inbox row, want 2", got)
	}
}

func TestSameKeyOtherContentIsRejectedVisibly(t *testing.T) {
	f := newFixture(t)
	body := referralBody(t, "cardiology-referral")
	if state, err := f.Settle(t.Context(), f.message(referral.KeyHeader, "k", body), 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	other := f.message(referral.KeyHeader, "k", strings.Replace(body, `"transaction"`, ` "transaction"`, 1))
	for _, want := range []referral.State{referral.Rejected, processor.Known} {
		if state, err := f.Settle(t.Context(), other, 2); err != nil || state != want {
			t.Fatalf("got %q, error %v; want %s", state, err, want)
		}
	}
	if got := value[string](t, f, `select outcome from submission where state = 'rejected'`); !strings.Contains(got, `"conflict"`) {
		t.Errorf("got outcome %s, want a conflict", got)
	}
	if got := value[int64](t, f, `select count(*) from resource where type = 'Patient'`); got != 1 {
		t.Errorf("got %d patients, want 1", got)
	}
}

func TestForgedMessagesNeverSettle(t *testing.T) {
	f := newFixture(t)
	body := referralBody(t, "cardiology-referral")
	other, err := referral.NewKeys(bytes.Repeat([]byte{8}, 32), bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(m *queue.Message)
		want   error
	}{
		"another organisation": {func(m *queue.Message) { m.Request.Org = recipient }, processor.ErrForged},
		"another key":          {func(m *queue.Message) { m.Request.Key = "other" }, processor.ErrForged},
		"another time":         {func(m *queue.Message) { m.AcceptedAt = m.AcceptedAt.Add(time.Millisecond) }, processor.ErrForged},
		"another body":         {func(m *queue.Message) { m.Pack([]byte(`{"resourceType":"Bundle"}`)) }, processor.ErrForged},
		"minted elsewhere": {func(m *queue.Message) {
			m.ID = other.Mint(referral.Submission{Org: sender, AcceptedAt: acceptedAt, Digest: other.Digest(m.Request)})
		}, processor.ErrForged},
		"a bit flipped": {func(m *queue.Message) { m.Body[len(m.Body)/2] ^= 1 }, queue.ErrIntegrity},
	} {
		m := f.message(referral.KeyHeader, "k", body)
		test.change(m)
		if _, err := f.Settle(t.Context(), m, 1); !errors.Is(err, test.want) {
			t.Errorf("%s: got error %v, want %v", name, err, test.want)
		}
	}
	if got := value[int64](t, f, `select count(*) from submission`); got != 0 {
		t.Errorf("got %d submissions, want none", got)
	}
}

// TestHostileLinksEnd: each of these once kept a worker for minutes. A regression shows as a test that does not end.
func TestHostileLinksEnd(t *testing.T) {
	repeat := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s, n), ",") }
	requests := `{"fullUrl":"%s","resource":{"resourceType":"ServiceRequest","performer":[%s],"note":[%s]},"request":{"method":"POST","url":"ServiceRequest"}}`
	longURL := "https://a.example/" + strings.Repeat("a/", 1<<18) + "fhir/ServiceRequest/1"
	for name, test := range map[string]struct {
		body string
		want referral.State
	}{
		"a long fullUrl": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` + fmt.Sprintf(requests, longURL, `{"display":"x"}`, repeat(`{"authorReference":{"reference":"Patient/1"}},`, 20_000)) + `]}`,
			referral.Completed,
		},
		"many performers": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` + fmt.Sprintf(requests, "urn:uuid:1", repeat(`{"display":"x"},`, 6_000), `{"text":"x"}`) + `]}`,
			referral.Rejected,
		},
		"everything refers to everything": {
			`{"resourceType":"Bundle","type":"transaction","entry":[` +
				repeat(fmt.Sprintf(requests, "urn:uuid:1", `{"display":"x"}`, repeat(`{"authorReference":{"reference":"urn:uuid:1"}},`, 50))+",", 900) + `]}`,
			referral.Completed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if state, err := f.Settle(t.Context(), f.message(referral.KeyRandom, name, test.body), 1); err != nil || state != test.want {
				t.Errorf("got %q, error %v; want %s", state, err, test.want)
			}
		})
	}
}

// TestReadersReachAttachments: what is addressed to the clinic comes with the summary attached to it.
func TestReadersReachAttachments(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyRequest, "", referralBody(t, "patient-summary-referral"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	if diff := cmp.Diff([]string{recipient}, value[[]string](t, f, `select readers from resource where type = 'Binary'`)); diff != "" {
		t.Errorf("readers of the Binary (-want +got):\n%s", diff)
	}
}

// TestLinksOfADocumentAreRewritten: relative references and narrative links, which go by the entries' fullUrls.
func TestLinksOfADocumentAreRewritten(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyIdentifier, "urn:x|1", referralBody(t, "discharge-document"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	dangling := value[[]string](t, f, `
		select coalesce(array_agg(link[1]), '{}') from resource r,
			regexp_matches(r.content, '(?:"reference":"|href=\\")((?:Patient|Practitioner|Procedure|Encounter|Condition)/[^"\\]+)', 'g') link
		where not exists (select from resource t where t.type || '/' || t.id = link[1])`)
	if len(dangling) > 0 {
		t.Errorf("links lead nowhere: %v", dangling)
	}
	if got := value[int64](t, f, `select count(*) from resource where content like '%href=\\"Procedure/%'`); got == 0 {
		t.Error("the document has no narrative link any more; the test tests nothing")
	}
}

func TestCopiesOfAMessageAreLinked(t *testing.T) {
	f := newFixture(t)
	m := f.message(referral.KeyIdentifier, "urn:x|1", referralBody(t, "referral-message"))
	if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
		t.Fatalf("got %q, error %v; want completed", state, err)
	}
	got := value[string](t, f, `select ('{' || content || '}')::json#>>'{focus,0,reference}' from resource where type = 'MessageHeader'`)
	if want := value[string](t, f, `select 'ServiceRequest/' || id from resource where type = 'ServiceRequest'`); got != want {
		t.Errorf("MessageHeader.focus is %s, want %s", got, want)
	}
}

// claims are objects by key.
type claims map[string][]byte

func (c claims) Get(_ context.Context, key string) ([]byte, error) {
	if content, ok := c[key]; ok {
		return content, nil
	}
	return nil, blob.ErrNotFound
}

func TestClaimedBodySettlesOnceItIsThere(t *testing.T) {
	f := newFixture(t)
	kept := claims{}
	f.Blobs = kept
	m := f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral"))
	key, body := m.CheckIn()
	if _, err := f.Settle(t.Context(), m, 1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got error %v without the object, want ErrNotFound", err)
	}
	kept[key] = append([]byte{}, body...)
	kept[key][len(body)/2] ^= 1
	if _, err := f.Settle(t.Context(), m, 2); !errors.Is(err, queue.ErrIntegrity) {
		t.Errorf("got error %v with another object, want ErrIntegrity", err)
	}
	kept[key], m.Body = body, nil
	if state, err := f.Settle(t.Context(), m, 3); err != nil || state != referral.Completed {
		t.Errorf("got %q, error %v; want completed", state, err)
	}
}

func TestHandleSQSReportsWhatDidNotSettle(t *testing.T) {
	f := newFixture(t)
	good, err := f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral")).Encode()
	if err != nil {
		t.Fatal(err)
	}
	record := func(id, body string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, Body: body, Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
	}
	failures := func(response events.SQSEventResponse) []string {
		var ids []string
		for _, failure := range response.BatchItemFailures {
			ids = append(ids, failure.ItemIdentifier)
		}
		slices.Sort(ids)
		return ids
	}
	response, err := f.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		record("garbage", "{}"), record("good", good), record("again", good), record("newer", `{"v":9}`), record("garbage", "x"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"garbage", "newer"}, failures(response)); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if _, err := f.HandleSQS(t.Context(), events.SQSEvent{Records: []events.SQSMessage{record("", "{}")}}); err == nil {
		t.Error("got no error for a failed message without an id; the batch would count as done")
	}
}

// storeFunc is a Store.
type storeFunc func(context.Context, ...*postgres.Settlement) ([]bool, error)

func (f storeFunc) Settle(ctx context.Context, s ...*postgres.Settlement) ([]bool, error) {
	return f(ctx, s...)
}

// batch returns an event of n different messages, m0 to m(n-1), the first of them twice.
func (f *fixture) batch(t testing.TB, n int) (event events.SQSEvent, messages []*queue.Message) {
	t.Helper()
	body := referralBody(t, "cardiology-referral")
	for i := range n {
		m := f.message(referral.KeyHeader, strconv.Itoa(i), body)
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		event.Records = append(event.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: text})
	}
	event.Records = append(event.Records, events.SQSMessage{MessageId: "again", Body: event.Records[0].Body})
	return event, messages
}

// TestPoisonDoesNotHoldUpItsBatch: whatever the store says of one message, or does, the others settle.
func TestPoisonDoesNotHoldUpItsBatch(t *testing.T) {
	for name, poison := range map[string]func() error{
		"unknown error": func() error { return errors.New("unknown") },
		"panic":         func() error { panic("poison") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			event, messages := f.batch(t, 10)
			bad, store := f.keys.Digest(messages[4].Request), f.Store
			f.Store = storeFunc(func(ctx context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
				for _, s := range settlements {
					if s.Digest == bad {
						return nil, poison()
					}
				}
				return store.Settle(ctx, settlements...)
			})
			response, err := f.HandleSQS(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			want := []events.SQSBatchItemFailure{{ItemIdentifier: "m4"}}
			if diff := cmp.Diff(want, response.BatchItemFailures); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 9 {
				t.Errorf("got %d completed, want 9", got)
			}
		})
	}
}

// TestBatchSettlesInOneTransaction counts what the store is asked, and of what.
func TestBatchSettlesInOneTransaction(t *testing.T) {
	f := newFixture(t)
	event, _ := f.batch(t, 9)
	var calls []int
	store := f.Store
	f.Store = storeFunc(func(ctx context.Context, settlements ...*postgres.Settlement) ([]bool, error) {
		calls = append(calls, len(settlements))
		return store.Settle(ctx, settlements...)
	})
	for range 2 {
		if response, err := f.HandleSQS(t.Context(), event); err != nil || len(response.BatchItemFailures) > 0 {
			t.Fatalf("got %+v, error %v; want no failures", response, err)
		}
	}
	if diff := cmp.Diff([]int{9, 1, 9, 1}, calls); diff != "" {
		t.Errorf("settlements of each transaction, the repeated message's own last (-want +got):\n%s", diff)
	}
	if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 9 {
		t.Errorf("got %d completed, want 9", got)
	}
}

func TestStoreDownIsAskedOnceAndAllIsReported(t *testing.T) {
	f := newFixture(t)
	event, _ := f.batch(t, 3)
	asked := 0
	var delayed atomic.Int32
	f.Store = storeFunc(func(context.Context, ...*postgres.Settlement) ([]bool, error) {
		asked++
		return nil, fmt.Errorf("settle: %w", postgres.ErrUnavailable)
	})
	f.Delay = func(context.Context, string, time.Duration) error { delayed.Add(1); return nil }
	response, err := f.HandleSQS(t.Context(), event)
	if err != nil || len(response.BatchItemFailures) != 4 || delayed.Load() != 4 {
		t.Errorf("got %d failures, %d put off, error %v; want 4 and 4", len(response.BatchItemFailures), delayed.Load(), err)
	}
	if asked != 1 {
		t.Errorf("the store was asked %d times, want once", asked)
	}
}

// TestRowLevelSecurityAlone reads as the query role would without the tenant rule in its statement.
func TestRowLevelSecurityAlone(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Settle(t.Context(), f.message(referral.KeyRequest, "", referralBody(t, "cardiology-referral")), 1); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for org, want := range map[string]bool{sender: true, recipient: true, "8003629900040359": false, "": false} {
		var got int
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `set local role referral_query`); err != nil {
				return err
			}
			if _, err := tx.Exec(t.Context(), `select set_config('app.org', $1, true)`, org); err != nil {
				return err
			}
			return tx.QueryRow(t.Context(), `select (select count(*) from resource where type = 'Patient') + (select count(*) from submission)`).Scan(&got)
		})
		if err != nil {
			t.Fatal(err)
		}
		if (got == 2) != want || !want && got != 0 {
			t.Errorf("%q sees %d rows, want all: %v", org, got, want)
		}
	}
}

// TestHangingQueueDoesNotHoldTheReport: with the queue silent, ten failures are put off in the time of one.
func TestHangingQueueDoesNotHoldTheReport(t *testing.T) {
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p := processor.New(processor.Config{Keys: keys, Delay: func(ctx context.Context, _ string, _ time.Duration) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		var event events.SQSEvent
		for i := range 10 {
			event.Records = append(event.Records, events.SQSMessage{MessageId: strconv.Itoa(i), Body: "garbage"})
		}
		start := time.Now()
		response, err := p.HandleSQS(t.Context(), event)
		if err != nil || len(response.BatchItemFailures) != 10 {
			t.Errorf("got %d failures, error %v; want 10", len(response.BatchItemFailures), err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("reporting took %v of the synthetic clock, want at most 500ms", took)
		}
	})
}
