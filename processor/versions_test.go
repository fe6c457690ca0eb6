package processor_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// golden is a message that a release of that version of the envelope has made, byte for byte.
func golden(t testing.TB, version string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "envelopes", "settles-"+version+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryReleaseSettlesSideBySide: while releases change, one batch has messages of all. Those of every earlier one
// settle with those of this one, delivered twice each, and one of a later release waits for its processor.
func TestEveryReleaseSettlesSideBySide(t *testing.T) {
	f := newFixture(t)
	var event events.SQSEvent
	for id, body := range map[string]string{
		"v1": golden(t, "v1"), "v2": golden(t, "v2"), "v3": golden(t, "v3"), "later": `{"v":4}`,
		"now": encode(t, f.message(referral.KeyHeader, "now", referralBody(t, "cardiology-referral"))),
	} {
		for _, delivery := range []string{"", " again"} {
			event.Records = append(event.Records, events.SQSMessage{MessageId: id + delivery, Body: body, Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
		}
	}
	response, err := f.HandleSQS(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	for _, failure := range response.BatchItemFailures {
		failed[failure.ItemIdentifier] = true
	}
	if diff := cmp.Diff(map[string]bool{"later": true, "later again": true}, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if got := value[int64](t, f, `select count(*) from submission where state = 'completed'`); got != 4 {
		t.Errorf("got %d completed, want 4", got)
	}
	if got := value[string](t, f, `select string_agg(substring(content from '"value":"(v\d)"'), ' ' order by content) from resource where content like '%"urn:x"%'`); got != "v1 v2 v3" {
		t.Errorf("got the patients of %q, want those of every release", got)
	}
}

// TestVersionKeepsWhatIsNewFromBeingPassedOver is the control: without the number of its version, a message that says more
// than its reader knows does not wait for a processor that knows it, but is settled for good as if it said less.
func TestVersionKeepsWhatIsNewFromBeingPassedOver(t *testing.T) {
	f := newFixture(t)
	_, _, _, task := f.order(t)
	m := f.filling(laboratory, f.write(1, "PATCH", "Task/"+task, claim(laboratory)))
	m.Fill = nil // all that a reader of version 2 would see
	if state, got := f.settle(t, m); state != referral.Rejected {
		t.Errorf("got %s and %d, want rejected: then the number would be of no use", state, got[0].Status)
	}
}
