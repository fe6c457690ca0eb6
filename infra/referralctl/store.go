package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// lookUpAWS looks for credentials wherever the SDK does: in an operator's profile, too.
func lookUpAWS(ctx context.Context) (aws.Config, error) {
	return awshttp.Configured(config.LoadDefaultConfig(ctx))
}

// storeFlags say which store is meant; of the secret that REFERRAL_DATABASE_SECRET names, where there is no URL.
type storeFlags struct {
	DatabaseURL string `env:"DATABASE_URL" placeholder:"URL" help:"The store, unless REFERRAL_DATABASE_SECRET names a secret that says it."`
}

// config tells how the store is reached, by a login of the command's own.
func (f storeFlags) config(s *streams) (postgres.Config, error) {
	v := env.Read(func(name string) (string, bool) {
		if name == "DATABASE_URL" {
			return f.DatabaseURL, true
		}
		return os.LookupEnv(name)
	})
	c := secrets.StoreFromSettings(v, lookUpAWS, awslambda.Log(v, s.err))
	switch {
	case v.Err() != nil:
		return postgres.Config{}, usageError{v.Err()}
	case c == nil:
		return postgres.Config{}, usageError{errors.New("which database? Set DATABASE_URL or --database-url, or REFERRAL_DATABASE_SECRET")}
	}
	return *c, nil
}
