package principal

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// FromSettings opens the Authenticator that the variables ask for, which all hosts have alike: REFERRAL_CLIENTS or, where
// that is not set, the registry fallback ("" reports it), REFERRAL_AUTH and what keys, certificates and tokens are held
// against.
// When one of them is wrong, v reports it and the result is nil.
func FromSettings(v *env.Settings, fallback string, load secrets.AWS, log *slog.Logger) *Authenticator {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	before := v.Err()
	name := v.String("REFERRAL_CLIENTS", fallback)
	c := Config{
		Proofs: Proofs(v.Choice("REFERRAL_AUTH", string(ByKey), string(ByKey), string(ByCertificate), string(ByCertificateAndKey))),
		Pepper: secrets.PepperFromSettings(v, load, log), NASH: certificates(ctx, v, load, "REFERRAL_NASH_CA"), CAs: certificates(ctx, v, load, "REFERRAL_CLIENT_CA"),
		Tokens: Tokens{
			Issuers: v.List("REFERRAL_TOKEN_ISSUERS"), Audiences: v.List("REFERRAL_TOKEN_AUDIENCES"), OrgClaim: v.String("REFERRAL_TOKEN_ORG_CLAIM", ""),
		},
		CRLGrace: v.Duration("REFERRAL_CRL_GRACE", 24*time.Hour, 0, 30*24*time.Hour), Log: log,
	}
	for _, list := range v.List("REFERRAL_CRLS") {
		source, err := OpenSource(ctx, load, list)
		if err != nil {
			v.Wrong("REFERRAL_CRLS", "files or objects of S3, separated by commas: "+err.Error())
		}
		c.CRLs = append(c.CRLs, source)
	}
	if name == "" {
		v.Require("REFERRAL_CLIENTS")
		return nil
	}
	var err error
	if c.Registry, err = OpenSource(ctx, load, name); err != nil {
		v.Wrong("REFERRAL_CLIENTS", `"development", or a file or an object of S3: `+err.Error())
	}
	if after := v.Err(); after != nil && (before == nil || after.Error() != before.Error()) {
		return nil
	}
	a, err := Open(ctx, c)
	if _, ok := errors.AsType[registryError](err); ok {
		v.Wrong("REFERRAL_CLIENTS", `"development", or a file or an object of S3 with a registry: `+err.Error())
		return nil
	}
	if _, ok := errors.AsType[tokensError](err); ok {
		v.Wrong("REFERRAL_TOKEN_ISSUERS, REFERRAL_TOKEN_AUDIENCES and REFERRAL_TOKEN_ORG_CLAIM", "issuers' URLs, the names of this server and a claim: "+err.Error())
		return nil
	}
	if err != nil {
		v.Wrong("REFERRAL_NASH_CA, REFERRAL_CLIENT_CA and REFERRAL_CRLS", "issuers and a list of each: "+err.Error())
		return nil
	}
	return a
}

// certificates reads those of the file or object that the variable names.
func certificates(ctx context.Context, v *env.Settings, load secrets.AWS, variable string) []*x509.Certificate {
	name := v.String(variable, "")
	if name == "" {
		return nil
	}
	certificates, err := readCertificates(ctx, load, name)
	if err != nil {
		v.Wrong(variable, fmt.Sprintf("a file or an object of S3 with certificates in PEM: %v", err))
	}
	return certificates
}

func readCertificates(ctx context.Context, load secrets.AWS, name string) ([]*x509.Certificate, error) {
	source, err := OpenSource(ctx, load, name)
	if err != nil {
		return nil, err
	}
	text, _, err := source.Read(ctx, "")
	if err != nil {
		return nil, err
	}
	return ParseCertificates(text)
}
