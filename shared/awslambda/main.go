package awslambda

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// Main runs the function name: start reads its settings and returns what answers its events, a Handler or anything
// else that lambda.Start takes. It does not return. Where start fails, the process says why and ends, which is how
// Lambda learns that a function cannot start.
func Main(name string, start func(context.Context, *env.Settings) (any, error)) {
	handler, err := start(context.Background(), env.Read(os.LookupEnv))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	lambda.Start(handler)
}
