package eventsource_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/infra/eventsource"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue/sqsqueue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// direct is a queue of none: what is sent goes to handler.
func direct(t testing.TB, handler eventsource.Handler) *sqsqueue.Queue {
	return sqsqueue.New(eventsource.NewDirect(handler, 5*time.Second, slog.New(slog.NewTextHandler(t.Output(), nil))), "")
}

func directMessage(size int) *queue.Message {
	m := &queue.Message{ID: "an-id", Client: "one", Type: "transaction", RequestID: "r-1", AcceptedAt: time.UnixMilli(1790000000000).UTC(),
		Request: referral.Request{Org: "8003621566684455", KeyKind: referral.KeyRequest, Method: "POST", URL: "/fhir"}}
	m.Pack([]byte("{}"))
	m.Body = make([]byte, size)
	return m
}

// TestDirectInvokesTheHandler: with one record, that of the mapping, however large; sending ends when it has.
func TestDirectInvokesTheHandler(t *testing.T) {
	var got events.SQSEvent
	q := direct(t, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		got = e
		return events.SQSEventResponse{}, nil
	})
	m := directMessage(2 << 20)
	if err := q.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(got.Records) != 1 {
		t.Fatalf("got %d records, want 1", len(got.Records))
	}
	r := got.Records[0]
	if decoded, err := queue.Decode(r.Body); err != nil || decoded.ID != m.ID || !bytes.Equal(decoded.Body, m.Body) {
		t.Errorf("the handler was given another message, error %v", err)
	}
	if r.MessageId == "" || r.ReceiptHandle == "" || r.EventSource != "aws:sqs" {
		t.Errorf("got message %q, receipt handle %q of %q", r.MessageId, r.ReceiptHandle, r.EventSource)
	}
	if r.Attributes["ApproximateReceiveCount"] != "1" || r.Attributes["MessageGroupId"] != m.Request.Org {
		t.Errorf("got attributes %v", r.Attributes)
	}
	if a := r.MessageAttributes["ReferralType"]; a.DataType != "String" || a.StringValue == nil || *a.StringValue != m.Type {
		t.Errorf("got ReferralType %+v", a)
	}
}

// TestDirectFailsWithTheHandler: whatever is not settled was not sent.
func TestDirectFailsWithTheHandler(t *testing.T) {
	for name, handler := range map[string]eventsource.Handler{
		"a failure": func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			return failures(e.Records[0].MessageId), nil
		},
		"a failure of another": func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { return failures("x"), nil },
		"an error": func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return events.SQSEventResponse{}, errors.New("no database")
		},
		"a panic": func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) { panic(e.Records[0].Body) },
		"success after the timeout": func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse, error) {
			<-ctx.Done()
			return events.SQSEventResponse{}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := direct(t, handler).Send(t.Context(), directMessage(1))
				if err == nil || strings.Contains(err.Error(), "acceptedAt") {
					t.Errorf("got error %v, want one that shows no message", err)
				}
			})
		})
	}
}
