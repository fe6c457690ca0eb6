package awslambda

import (
	"io"
	"log/slog"
	"net/url"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// Log returns a logger that writes JSON to w from REFERRAL_LOG_LEVEL on.
func Log(v *env.Settings, w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: v.Level("REFERRAL_LOG_LEVEL")}))
}

// Keys returns the keys of REFERRAL_KEYS_SECRET, or REFERRAL_KD and REFERRAL_KM, which every function of a deployment
// has alike; load is for the secret: AWS in a function. When one is missing or wrong, v reports it and the result is nil.
func Keys(v *env.Settings, load secrets.AWS) *referral.Keys {
	if v.String("REFERRAL_KEYS_SECRET", "") == "" {
		v.Require("REFERRAL_KD", "REFERRAL_KM")
	}
	return secrets.KeysFromSettings(v, load, Log(v, os.Stderr))
}

// Store opens the store of DATABASE_URL or REFERRAL_DATABASE_SECRET for role. When neither is set, or one is wrong, v
// reports it and the result is nil.
func Store(v *env.Settings, load secrets.AWS, role string) *postgres.DB {
	if v.String("REFERRAL_DATABASE_SECRET", "") == "" {
		v.Require("DATABASE_URL")
	}
	return OptionalStore(v, load, role)
}

// OptionalStore is Store for who can do without: when neither variable is set, the result is nil.
func OptionalStore(v *env.Settings, load secrets.AWS, role string) *postgres.DB {
	size := v.StoreConnections(env.FunctionStoreConnections)
	total := v.Concurrency() * (size + 1) // and one, while somebody waits
	c := secrets.StoreFromSettings(v, load, Log(v, os.Stderr))
	if c == nil {
		return nil
	}
	c.Role, c.MaxConns, c.Total = role, int32(size), total
	store, err := postgres.Open(*c)
	if err != nil {
		v.Wrong("DATABASE_URL", "a PostgreSQL connection URI: "+err.Error())
		return nil
	}
	return store
}

// Clients returns who knows callers by what REFERRAL_CLIENTS and REFERRAL_AUTH say. Whoever may reach base on another
// machine must not meet the development clients. When something is wrong, v reports it and the result is nil.
func Clients(v *env.Settings, base *url.URL) *principal.Authenticator {
	if v.String("REFERRAL_CLIENTS", "") == principal.DevelopmentClients && base.Host != "" && !principal.OnLoopback(base.Host) { // without a host, v has told
		v.Wrong("REFERRAL_BASE_URL", "on loopback, with a port, such as http://127.0.0.1:8080, for the development clients")
		return nil
	}
	return principal.FromSettings(v, "", AWS, Log(v, os.Stderr))
}
