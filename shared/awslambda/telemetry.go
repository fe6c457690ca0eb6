package awslambda

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// Telemetry returns that of the function name, which writes to standard error; store may be nil.
func Telemetry(v *env.Settings, name string, store *postgres.DB) telemetry.Telemetry {
	if store == nil {
		return telemetry.FromSettings(v, name, os.Stderr, nil)
	}
	return telemetry.FromSettings(v, name, os.Stderr, store.Connections)
}

// Flushing returns handler, which is anything that lambda.Start takes, with an end to each invocation at which t is
// flushed: Lambda stops a process between events.
func Flushing(handler any, t telemetry.Telemetry) lambda.Handler {
	return flushing{lambda.NewHandler(handler), t}
}

type flushing struct {
	lambda.Handler
	telemetry telemetry.Telemetry
}

func (f flushing) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	defer f.telemetry.Flush()
	return f.Handler.Invoke(ctx, payload)
}
