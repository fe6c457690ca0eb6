package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
)

// poisoned makes the store refuse for good what has the text in it.
func (s *server) poisoned(t *testing.T, text string) (mend func()) {
	t.Helper()
	execute := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), s.pg.URL("referral"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	execute(`create function poison() returns trigger language plpgsql as $$
		begin raise exception using errcode = '42501'; end $$;
		create trigger poison before insert on resource for each row when (new.content like '%` + text + `%') execute function poison()`)
	return func() { execute(`drop function poison cascade`) }
}

// deadLetters returns class and code of each, once there are as many as wanted.
func (s *server) deadLetters(t *testing.T, want int) []string {
	t.Helper()
	q := &dlq.Queue{Client: s.queue.client, URL: s.queue.deadLetterURL}
	for deadline := time.Now().Add(30 * time.Second); ; {
		var found []string
		if _, err := q.Scan(t.Context(), dlq.Filter{}, 0, func(_ context.Context, letters []*dlq.Letter) error {
			for _, l := range letters {
				found = append(found, l.Class+" "+l.Code)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(found) >= want || time.Now().After(deadline) {
			slices.Sort(found)
			return found
		}
	}
}

// TestPoisonIsQuarantinedAndReplayed sends ten referrals at once, one of which the store refuses, through the whole
// server, and garbage straight to the queue: nine settle at their first delivery, the sender sees where the tenth is, and
// once the store takes it a replay settles it.
func TestPoisonIsQuarantinedAndReplayed(t *testing.T) {
	s := started(t, "REFERRAL_MESSAGE_TIMEOUT", "30s") // a slow machine is no reason for a second delivery
	sender := client{s.base.String(), "dev-sender"}
	mend := s.poisoned(t, `"en-4"`)
	if _, err := s.queue.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.queue.url, MessageBody: aws.String("garbage")}); err != nil {
		t.Fatal(err)
	}
	urls := make([]string, 10)
	var sending sync.WaitGroup
	for i := range urls {
		sending.Go(func() {
			a, err := sender.do(http.MethodPost, "/fhir", numbered(t, i))
			if err != nil || a.status != http.StatusAccepted {
				t.Errorf("got %d, error %v, want 202", a.status, err)
			}
			urls[i] = a.header.Get("Content-Location")
		})
	}
	sending.Wait()
	if got := s.deadLetters(t, 2); !slices.Equal(got, []string{"security 42501", "security envelope"}) {
		t.Fatalf("got dead letters %v, want the poison and the garbage", got)
	}
	for i, url := range urls {
		if i == 4 {
			continue
		}
		if got := sender.follow(t, url, 20*time.Second).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
			t.Errorf("%d ended with %s, want 200", i, got)
		}
		if r := sender.referral(t, url); r.Attempts != 1 {
			t.Errorf("%d settled at delivery %d, want the first", i, r.Attempts)
		}
	}
	quarantined := func() bool { return sender.referral(t, urls[4]).State == "quarantined" }
	for deadline := time.Now().Add(10 * time.Second); !quarantined() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // shown after it is sent
	}
	if a := sender.get(t, urls[4]); a.status != http.StatusAccepted || !strings.Contains(a.header.Get("X-Progress"), "waits for an operator") || !quarantined() {
		t.Errorf("the poison's status is %d, %q; want 202 that says where it is", a.status, a.header.Get("X-Progress"))
	}
	mend()
	q := &dlq.Queue{Client: s.queue.client, URL: s.queue.deadLetterURL}
	for range 2 { // somebody does it twice
		if _, err := q.Replay(t.Context(), dlq.Replay{To: s.queue.url, Filter: dlq.Filter{Code: "42501"}, Rate: 100}); err != nil {
			t.Fatal(err)
		}
	}
	if got := sender.follow(t, urls[4], 20*time.Second).Entry[0].Response.Status; !strings.HasPrefix(got, "200") {
		t.Errorf("replayed, the poison ended with %s, want 200", got)
	}
}

// referral is what /referrals has of the submission of a status URL.
func (c client) referral(t testing.TB, url string) (r struct {
	State    string
	Attempts int
}) {
	t.Helper()
	a := c.get(t, "/referrals/"+url[strings.LastIndex(url, "/")+1:])
	if a.status == http.StatusOK && json.Unmarshal(a.body, &r) != nil {
		t.Fatalf("got %s", a.body)
	}
	return r
}
