package lambdahost

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/events"
)

// HandleSQS invokes the function with a batch: a Handler for package eventsource. An empty answer is success of the
// whole batch; the error says that the whole batch failed (Lambda Developer Guide "Handling errors for an SQS event
// source").
func (f *Function) HandleSQS(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	answer, err := f.Invoke(ctx, payload)
	if err != nil || len(answer) == 0 {
		return events.SQSEventResponse{}, err
	}
	var response events.SQSEventResponse
	if json.Unmarshal(answer, &response) != nil { // its error may quote the answer
		return events.SQSEventResponse{}, errors.New("the function's answer is no SQS batch response")
	}
	return response, nil
}
