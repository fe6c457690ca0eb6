package lambdahost_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

// TestPoison brings, through the three bootstraps, a referral to its end in one batch with its duplicate, garbage, and one
// that the store can never take. That one is tried five times, is a dead letter then, word for word, and its sender sees
// that; nothing of it disturbs the others.
func TestPoison(t *testing.T) {
	s := newStack(t)
	s.execute(t, `create function fault() returns trigger language plpgsql as $$ begin raise exception 'synthetic fault'; end $$`)
	s.execute(t, `create trigger fault before insert on resource for each row when (new.content::text like '%en-poison%') execute function fault()`)
	ingest, process, query := s.start(t, "ingest", 10*time.Second), s.start(t, "processor", 20*time.Second), s.start(t, "query", 10*time.Second)
	goodStatus := submit(t, lambdahost.HTTP(ingest), example(t, "good"))
	good := s.received(t, 1)[0]
	poisonStatus := submit(t, lambdahost.HTTP(ingest), example(t, "poison"))
	poison := s.received(t, 1)[0]
	duplicate, garbage := good, good
	duplicate.MessageId = "duplicate"
	garbage.MessageId, garbage.Body = "garbage", "no envelope"

	batch := []events.SQSMessage{poison, good, garbage, duplicate}
	for try := 1; try <= 5; try++ {
		response, err := process.HandleSQS(t.Context(), events.SQSEvent{Records: batch})
		want := []events.SQSBatchItemFailure{{ItemIdentifier: poison.MessageId}}
		if try == 5 {
			want = nil // it is a dead letter now
		}
		if diff := cmp.Diff(want, response.BatchItemFailures); err != nil || diff != "" {
			t.Fatalf("try %d: error %v, failures (-want +got):\n%s", try, err, diff)
		}
		batch = []events.SQSMessage{poison}
	}
	for status, want := range map[string]int{goodStatus: http.StatusOK, poisonStatus: http.StatusAccepted} {
		if w := do(t, lambdahost.HTTP(query), "GET", status, nil); w.Code != want {
			t.Errorf("got %d %s, want %d", w.Code, w.Body, want)
		}
	}
	for query, want := range map[string]int{
		`select count(*) from submission where state = 'completed'`:   1,
		`select count(*) from submission where state = 'quarantined'`: 1,
		`select count(*) from resource where type = 'ServiceRequest'`: 1,
	} {
		if got := s.count(t, query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	dead := map[string]bool{}
	for len(dead) < 2 {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.deadURL), MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("got %d dead letters, error %v, want 2", len(dead), err)
		}
		for _, m := range out.Messages {
			dead[*m.Body] = true
		}
	}
	if !dead[poison.Body] || !dead[garbage.Body] {
		t.Error("a dead letter is not what was sent")
	}
}
