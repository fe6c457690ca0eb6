package processor_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/schemas"
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
	return &fixture{Processor: processor.New(processor.Config{Store: db, Keys: keys, Schemas: schemas.New(schemas.Config{})}), keys: keys, url: url}
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

// execute changes the store as its owner.
func (f *fixture) execute(t testing.TB, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
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
