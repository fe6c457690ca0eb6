// Command lambda seals the audit, as referralctl audit seal does, as an AWS Lambda function on a schedule. It promises that
// an invocation that succeeds has sealed all that was older than five minutes, and has written the newest seal to its log:
// there, apart from the database and its owner, it proves that no seal behind it is gone (referralctl audit verify --expect).
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
)

func main() { awslambda.Main("sealer", start) }

func start(_ context.Context, v *env.Settings) (any, error) {
	log, store, keys := awslambda.Log(v, os.Stderr), awslambda.Store(v, awslambda.AWS, postgres.RoleAudit), awslambda.Keys(v, awslambda.AWS)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		newest, made, err := store.SealAudit(ctx, keys)
		if err != nil {
			return fmt.Errorf("seal the audit: %w", err)
		}
		log.LogAttrs(ctx, slog.LevelInfo, "seal", slog.Int("made", made), slog.Int64("number", newest.Number),
			slog.Int64("last", newest.Last), slog.String("signature", fmt.Sprintf("%x", newest.Signature)))
		return nil
	}, nil
}
