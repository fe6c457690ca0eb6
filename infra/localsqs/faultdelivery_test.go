package localsqs_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
)

// TestFaultCopies delivers one message to 20 receivers at once.
func TestFaultCopies(t *testing.T) {
	const receivers = 20
	client, queue := startFaulty(t, localsqs.Fault{Action: "SendMessage", On: localsqs.Calls(1), Copies: receivers - 1})
	sent, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("many")})
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan types.Message, receivers)
	var group errgroup.Group
	for range receivers {
		group.Go(func() error {
			out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue})
			if err != nil {
				return err
			}
			for _, m := range out.Messages {
				received <- m
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	close(received)
	handles := make(map[string]bool)
	for m := range received {
		if *m.MessageId != *sent.MessageId || *m.Body != "many" {
			t.Errorf("received %s %q, want %s", *m.MessageId, *m.Body, *sent.MessageId)
		}
		handles[*m.ReceiptHandle] = true
	}
	if len(handles) != receivers {
		t.Errorf("%d deliveries with a handle of their own, want %d", len(handles), receivers)
	}
	send(t, client, queue, "once")
	receiveOne(t, client, queue)
}

// TestFaultShift delivers in the opposite order, also within a batch.
func TestFaultShift(t *testing.T) {
	var sent atomic.Int64
	client, queue := startFaulty(t, localsqs.Fault{
		Shift: func() time.Duration { return time.Duration(-sent.Add(1)) * time.Hour },
	})
	var entries []types.SendMessageBatchRequestEntry
	for _, body := range []string{"1", "2", "3"} {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: &body, MessageBody: &body})
	}
	if _, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: entries}); err != nil {
		t.Fatal(err)
	}
	send(t, client, queue, "4")
	if diff := cmp.Diff([]string{"4", "3", "2", "1"}, bodies(receive(t, client, queue))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// TestFaultShiftDelays holds a message back, which the queue then counts as delayed.
func TestFaultShiftDelays(t *testing.T) {
	client, queue := startFaulty(t, localsqs.Fault{On: localsqs.Calls(2), Shift: func() time.Duration { return time.Hour }})
	send(t, client, queue, "late")
	receiveNone(t, client, queue)
	if got := attributes(t, client, queue, "ApproximateNumberOfMessagesDelayed")["ApproximateNumberOfMessagesDelayed"]; got != "1" {
		t.Errorf("delayed messages: %s, want 1", got)
	}
}

// TestFaultZombie deletes messages that come back once.
func TestFaultZombie(t *testing.T) {
	one := func(t *testing.T, client *sqs.Client, queue *string, m types.Message) {
		remove(t, client, queue, m.ReceiptHandle)
	}
	batch := func(t *testing.T, client *sqs.Client, queue *string, m types.Message) {
		out, err := client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{
			QueueUrl: queue, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: m.ReceiptHandle}},
		})
		if err != nil || len(out.Successful) != 1 {
			t.Fatalf("delete: %v, %v; want success", out, err)
		}
	}
	for _, c := range []struct {
		action string
		remove func(*testing.T, *sqs.Client, *string, types.Message)
	}{{"DeleteMessage", one}, {"DeleteMessageBatch", batch}} {
		t.Run(c.action, func(t *testing.T) {
			client, queue := startFaulty(t, localsqs.Fault{Action: c.action, On: localsqs.Calls(1), Zombie: true})
			send(t, client, queue, "undead")
			first := receiveOne(t, client, queue)
			c.remove(t, client, queue, first)
			second := receiveOne(t, client, queue)
			if *second.MessageId != *first.MessageId || receiveCount(t, second) != 2 {
				t.Errorf("received %s for the %d. time, want %s again", *second.MessageId, receiveCount(t, second), *first.MessageId)
			}
			c.remove(t, client, queue, second)
			if got := attributes(t, client, queue, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible); got["ApproximateNumberOfMessagesNotVisible"] != "0" {
				t.Errorf("in flight after the second deletion: %v", got)
			}
			receiveNone(t, client, queue)
		})
	}
}

// TestSDKRejectsWrongMD5 sees the client distrust an answer whose digest is another body's, though all is stored.
func TestSDKRejectsWrongMD5(t *testing.T) {
	sendOne := func(t *testing.T, client *sqs.Client, queue *string) error {
		return trySend(t.Context(), client, queue, "a")
	}
	sendBatch := func(t *testing.T, client *sqs.Client, queue *string) error {
		_, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{
			QueueUrl: queue, Entries: []types.SendMessageBatchRequestEntry{{Id: aws.String("1"), MessageBody: aws.String("a")}},
		})
		return err
	}
	receiveOnce := func(t *testing.T, client *sqs.Client, queue *string) error {
		send(t, client, queue, "a")
		_, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue})
		return err
	}
	for _, c := range []struct {
		action string
		call   func(*testing.T, *sqs.Client, *string) error
	}{{"SendMessage", sendOne}, {"SendMessageBatch", sendBatch}, {"ReceiveMessage", receiveOnce}} {
		t.Run(c.action, func(t *testing.T) {
			client, queue := startFaulty(t, localsqs.Fault{Action: c.action, On: localsqs.Calls(1), WrongMD5: true})
			if err := setAttribute(t, client, queue, "VisibilityTimeout", "0"); err != nil {
				t.Fatal(err)
			}
			if err := c.call(t, client, queue); err == nil || !strings.Contains(err.Error(), "checksum") {
				t.Errorf("error %v, want one of the checksum", err)
			}
			if got := *receiveOne(t, client, queue).Body; got != "a" {
				t.Errorf("stored %q, want a", got)
			}
		})
	}
}

// TestFaultAlters changes bodies on the way out, with a digest that fits, and on the way in, where the SDK notices.
func TestFaultAlters(t *testing.T) {
	replace := func(body string) string { return strings.ReplaceAll(body, "\u00e9", "\ufffd") }
	t.Run("delivered", func(t *testing.T) {
		client, queue := startFaulty(t, localsqs.Fault{Action: "ReceiveMessage", On: localsqs.Calls(1), Alter: replace})
		if err := setAttribute(t, client, queue, "VisibilityTimeout", "0"); err != nil {
			t.Fatal(err)
		}
		send(t, client, queue, "caf\u00e9")
		got := fmt.Sprint(*receiveOne(t, client, queue).Body, " ", *receiveOne(t, client, queue).Body)
		if want := "caf\ufffd caf\u00e9"; got != want {
			t.Errorf("received %q, want %q", got, want)
		}
	})
	t.Run("stored", func(t *testing.T) {
		client, queue := startFaulty(t, localsqs.Fault{Action: "SendMessage", Alter: replace})
		if err := trySend(t.Context(), client, queue, "caf\u00e9"); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("error %v, want one of the checksum", err)
		}
		if got, want := *receiveOne(t, client, queue).Body, "caf\ufffd"; got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}
