package localsqs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// startFaulty is start with faults, and gives a queue.
func startFaulty(t *testing.T, faults ...localsqs.Fault) (*sqs.Client, *string) {
	t.Helper()
	client, _ := serve(t, pool(t, pgtest.Empty(t)), nil, faults...)
	return client, createQueue(t, client, "referrals", nil)
}

func trySend(ctx context.Context, client *sqs.Client, queue *string, body string) error {
	_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body})
	return err
}

// status is the HTTP status of an answer that is an error, 0 when there was no answer.
func status(err error) int {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok && e.Response != nil {
		return e.HTTPStatusCode()
	}
	return 0
}

func bodies(messages []types.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return all
}

// TestFaultEndsSend lets the second of three sends fail, before and after its message is stored.
func TestFaultEndsSend(t *testing.T) {
	for _, c := range []struct {
		name       string
		fault      localsqs.Fault
		wantStatus int
		wantCode   string
	}{
		{"internal failure", localsqs.Fault{Ending: localsqs.EndError}, http.StatusInternalServerError, "InternalFailure"},
		{"throttled", localsqs.Fault{Ending: localsqs.EndError, Code: "RequestThrottled"}, http.StatusBadRequest, "RequestThrottled"},
		{"status of its own", localsqs.Fault{Ending: localsqs.EndError, Code: "ServiceUnavailable", Status: 503}, http.StatusServiceUnavailable, "ServiceUnavailable"},
		{"connection cut", localsqs.Fault{Ending: localsqs.EndCut}, 0, ""},
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %t", c.name, after), func(t *testing.T) {
				c.fault.Action, c.fault.On, c.fault.After = "SendMessage", localsqs.Calls(2), after
				client, queue := startFaulty(t, c.fault)
				send(t, client, queue, "first")
				err := trySend(t.Context(), client, queue, "second")
				if err == nil {
					t.Error("the second send succeeded")
				}
				if status, code := status(err), code(err); status != c.wantStatus || c.wantCode != "" && code != c.wantCode {
					t.Errorf("got %d %s, want %d %s: %v", status, code, c.wantStatus, c.wantCode, err)
				}
				send(t, client, queue, "third")
				want := []string{"first", "third"}
				if after {
					want = []string{"first", "second", "third"}
				}
				if diff := cmp.Diff(want, bodies(receive(t, client, queue))); diff != "" {
					t.Errorf("messages (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestFaultHangsBeforeStoring(t *testing.T) {
	reached := make(chan struct{})
	client, queue := startFaulty(t, localsqs.Fault{
		Action: "SendMessage", Ending: localsqs.EndHang,
		On: func(int) bool { close(reached); return true },
	})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- trySend(ctx, client, queue, "never stored") }()
	<-reached
	receiveNone(t, client, queue)
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("send ended with %v, want that its client left", err)
	}
}

// TestFaultHangsAfterStoring receives a message whose sender never gets an answer.
func TestFaultHangsAfterStoring(t *testing.T) {
	client, queue := startFaulty(t, localsqs.Fault{Action: "SendMessage", Ending: localsqs.EndHang, After: true})
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- trySend(ctx, client, queue, "stored") }()
	if body, _, err := longPoll(t.Context(), client, queue); err != nil || body != "stored" {
		t.Errorf("received %q, error %v", body, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("the send was answered: %v", err)
	default:
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("send ended with %v, want that its client left", err)
	}
}

func TestCloseEndsHangingRequests(t *testing.T) {
	reached := make(chan struct{})
	client, stop := serve(t, pool(t, pgtest.Empty(t)), nil, localsqs.Fault{
		Action: "ListQueues", Ending: localsqs.EndHang,
		On: func(int) bool { close(reached); return true },
	})
	ended := make(chan error)
	go func() {
		_, err := client.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		ended <- err
	}()
	<-reached
	stop()
	if err := <-ended; err == nil {
		t.Error("the request was answered")
	}
}

// TestFaultLosesAReceive counts a receive that nobody saw.
func TestFaultLosesAReceive(t *testing.T) {
	client, queue := startFaulty(t, localsqs.Fault{
		Action: "ReceiveMessage", On: localsqs.Calls(1), Ending: localsqs.EndCut, After: true,
	})
	if err := setAttribute(t, client, queue, "VisibilityTimeout", "0"); err != nil {
		t.Fatal(err)
	}
	send(t, client, queue, "seen late")
	if _, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue}); err == nil {
		t.Error("the first receive was answered")
	}
	if got := receiveCount(t, receiveOne(t, client, queue)); got != 2 {
		t.Errorf("receive count %d, want 2", got)
	}
}

func setAttribute(t *testing.T, client *sqs.Client, queue *string, name, value string) error {
	t.Helper()
	_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: map[string]string{name: value}})
	return err
}

// TestFaultErrorsAreTyped gives errors of SQS's model, which the SDK makes Go types of.
func TestFaultErrorsAreTyped(t *testing.T) {
	client, queue := startFaulty(t,
		localsqs.Fault{Action: "ReceiveMessage", Ending: localsqs.EndError, Code: "OverLimit"},
		localsqs.Fault{Action: "SendMessage", Ending: localsqs.EndError, Code: "InvalidMessageContents"},
		localsqs.Fault{Action: "ChangeMessageVisibility", Ending: localsqs.EndError, Code: "AWS.SimpleQueueService.MessageNotInflight"},
	)
	_, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue})
	if !isTyped[*types.OverLimit](err) {
		t.Errorf("ReceiveMessage: %v, want OverLimit", err)
	}
	if err := trySend(t.Context(), client, queue, "a"); !isTyped[*types.InvalidMessageContents](err) {
		t.Errorf("SendMessage: %v, want InvalidMessageContents", err)
	}
	_, err = client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: aws.String("x")})
	if !isTyped[*types.MessageNotInflight](err) {
		t.Errorf("ChangeMessageVisibility: %v, want MessageNotInflight", err)
	}
}

// TestFaultOutage ends and begins while the Server runs.
func TestFaultOutage(t *testing.T) {
	var down atomic.Bool
	client, queue := startFaulty(t, localsqs.Fault{On: func(int) bool { return down.Load() }, Ending: localsqs.EndCut})
	send(t, client, queue, "before")
	down.Store(true)
	if err := trySend(t.Context(), client, queue, "during"); err == nil {
		t.Error("sent during the outage")
	}
	if _, err := client.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err == nil {
		t.Error("listed during the outage")
	}
	down.Store(false)
	send(t, client, queue, "after")
	if diff := cmp.Diff([]string{"before", "after"}, bodies(receive(t, client, queue))); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

func TestFaultLatency(t *testing.T) {
	const latency = 50 * time.Millisecond
	client, queue := startFaulty(t, localsqs.Fault{Action: "SendMessage", Latency: latency})
	begin := time.Now()
	send(t, client, queue, "slow")
	if took := time.Since(begin); took < latency {
		t.Errorf("took %v, want at least %v", took, latency)
	}
	receiveOne(t, client, queue)
}

// TestFirstFaultThatAppliesTakesEffect names a queue in one of two faults, both of which count.
func TestFirstFaultThatAppliesTakesEffect(t *testing.T) {
	client, queue := startFaulty(t,
		localsqs.Fault{Action: "SendMessage", Queue: "referrals", On: localsqs.Calls(2), Ending: localsqs.EndError, Code: "first"},
		localsqs.Fault{Action: "SendMessage", On: localsqs.Calls(2, 3), Ending: localsqs.EndError, Code: "second"},
	)
	other := createQueue(t, client, "other", nil)
	for i, c := range []struct {
		queue *string
		want  string
	}{{queue, ""}, {other, "second"}, {queue, "first"}, {queue, ""}} {
		if got := code(trySend(t.Context(), client, c.queue, "a")); got != c.want {
			t.Errorf("send %d: code %q, want %q", i+1, got, c.want)
		}
	}
}

func TestFaultOfUnknownActionIsRefused(t *testing.T) {
	_, err := localsqs.New(t.Context(), localsqs.Config{
		DB: pool(t, pgtest.Empty(t)), BaseURL: &url.URL{}, Log: slog.New(slog.DiscardHandler),
		Faults: []localsqs.Fault{{Action: "SendMesage"}},
	})
	if err == nil {
		t.Error("no error for an action that SQS has not")
	}
}
