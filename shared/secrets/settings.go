package secrets

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// AWS makes the SDK's configuration: a host looks for credentials everywhere, a function of Lambda where it has them.
type AWS func(context.Context) (aws.Config, error)

// startTimeout is for the first answer of the service.
const startTimeout = 10 * time.Second

// KeysFromSettings returns the keys of the secret that REFERRAL_KEYS_SECRET names, or else those of REFERRAL_KD and
// REFERRAL_KM, which every function of a deployment has alike. The result is nil where none of them is set, and where v
// reports what is missing or wrong.
func KeysFromSettings(v *env.Settings, load AWS, log *slog.Logger) *referral.Keys {
	c := read(v, "REFERRAL_KEYS_SECRET", load, log)
	given := v.String("REFERRAL_KD", "") + v.String("REFERRAL_KM", "")
	switch {
	case c.ID != "" && given != "":
		v.Wrong("REFERRAL_KD and REFERRAL_KM", "unset where REFERRAL_KEYS_SECRET is set")
		return nil
	case given != "":
		v.Require("REFERRAL_KD", "REFERRAL_KM")
		keys, err := referral.NewKeys(v.Base64("REFERRAL_KD", 32), v.Base64("REFERRAL_KM", 32))
		if err != nil {
			return nil // v has told
		}
		return keys
	case c.Client == nil:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	keys, err := OpenKeys(ctx, c)
	if err != nil {
		v.Wrong("REFERRAL_KEYS_SECRET", "a secret of Secrets Manager with Kd and Km: "+err.Error())
		return nil
	}
	return keys
}

// PepperFromSettings returns the key of digests in the client registry: the member pepper, in base64, of the secret that
// REFERRAL_KEYS_SECRET names, or else REFERRAL_KEY_PEPPER; nil where neither has one, and where v reports what is wrong. It
// is read once: digests are made with it, so it stays.
func PepperFromSettings(v *env.Settings, load AWS, log *slog.Logger) []byte {
	given := v.Base64("REFERRAL_KEY_PEPPER", minKeyBytes)
	if v.String("REFERRAL_KEYS_SECRET", "") == "" {
		return given
	}
	c := read(v, "REFERRAL_KEYS_SECRET", load, log)
	if c.Client == nil {
		return given
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	pepper, err := newSecret(c, "the keys", parsePepper).get(ctx)
	switch {
	case err != nil:
		v.Wrong("REFERRAL_KEYS_SECRET", "a secret of Secrets Manager with Kd and Km: "+err.Error())
		return nil
	case pepper.value == nil:
		return given
	case given != nil:
		v.Wrong("REFERRAL_KEY_PEPPER", "unset where REFERRAL_KEYS_SECRET has it")
	}
	return pepper.value
}

// StoreFromSettings tells how the store is reached, to whoever opens it: by DATABASE_URL, or as the secret says that
// REFERRAL_DATABASE_SECRET names. The result is nil where neither is set, and where v reports what is wrong.
func StoreFromSettings(v *env.Settings, load AWS, log *slog.Logger) *postgres.Config {
	secret, url := read(v, "REFERRAL_DATABASE_SECRET", load, log), v.String("DATABASE_URL", "")
	switch {
	case secret.ID != "" && url != "":
		v.Wrong("DATABASE_URL", "unset where REFERRAL_DATABASE_SECRET is set")
	case secret.Client != nil:
		return &postgres.Config{BeforeConnect: NewDatabase(secret).BeforeConnect}
	case url != "":
		if err := postgres.CheckURL(url); err != nil {
			v.Wrong("DATABASE_URL", "a PostgreSQL connection URI: "+err.Error())
			return nil
		}
		return &postgres.Config{URL: url}
	}
	return nil
}

// read returns the Config for the secret that the variable names. There is no Client where it names none, and without
// AWS configuration, which v reports.
func read(v *env.Settings, variable string, load AWS, log *slog.Logger) Config {
	c := Config{ID: v.String(variable, ""), TTL: v.Duration("REFERRAL_SECRETS_TTL", 5*time.Minute, 10*time.Second, 24*time.Hour), Log: log}
	if c.ID == "" {
		return c
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	configuration, err := load(ctx)
	if err != nil {
		v.Wrong(variable, "read with an AWS configuration: "+err.Error())
		return c
	}
	c.Client = secretsmanager.NewFromConfig(configuration)
	return c
}
