package awslambda

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// Main runs the function name: start reads its settings and returns what answers its events, a Handler or anything
// else that lambda.Start takes. A panic fails the invocation. It does not return. Where start fails, the process says why and ends, which is how
// Lambda learns that a function cannot start.
func Main(name string, start func(context.Context, *env.Settings) (any, error)) {
	handler, err := start(context.Background(), env.Read(os.LookupEnv))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	lambda.Start(Discreet(handler))
}

// Discreet returns handler, which is anything that lambda.Start takes, with panics turned into errors that name their
// types: of any other the runtime writes the value, which may be a patient's, to the log.
func Discreet(handler any) lambda.Handler { return discreet{lambda.NewHandler(handler)} }

type discreet struct{ lambda.Handler }

func (d discreet) Invoke(ctx context.Context, payload []byte) (response []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("the function panicked with a value of type %T", p)
		}
	}()
	return d.Handler.Invoke(ctx, payload)
}
