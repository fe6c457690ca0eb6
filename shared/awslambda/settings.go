package awslambda

import (
	"io"
	"log/slog"
	"net/url"
	"os"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Log returns a logger that writes JSON to w from REFERRAL_LOG_LEVEL on.
func Log(v *env.Settings, w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: v.Level("REFERRAL_LOG_LEVEL")}))
}

// Keys returns the keys REFERRAL_KD and REFERRAL_KM, which every function of a deployment has alike. When one is
// missing or wrong, v reports it and the result is nil.
func Keys(v *env.Settings) *referral.Keys {
	v.Require("REFERRAL_KD", "REFERRAL_KM")
	keys, err := referral.NewKeys(v.Base64("REFERRAL_KD", 32), v.Base64("REFERRAL_KM", 32))
	if err != nil {
		return nil // v has told
	}
	return keys
}

// Clients returns who knows callers by what REFERRAL_CLIENTS and REFERRAL_AUTH say. Whoever may reach base on another
// machine must not meet the development clients. When something is wrong, v reports it and the result is nil.
func Clients(v *env.Settings, base *url.URL) *principal.Authenticator {
	if v.String("REFERRAL_CLIENTS", "") == principal.DevelopmentClients && base.Host != "" && !principal.OnLoopback(base.Host) { // without a host, v has told
		v.Wrong("REFERRAL_BASE_URL", "on loopback, with a port, such as http://127.0.0.1:8080, for the development clients")
		return nil
	}
	return principal.FromSettings(v, "", Log(v, os.Stderr))
}
