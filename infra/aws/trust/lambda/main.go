// Command lambda keeps fresh what callers' certificates are held against, as an AWS Lambda function on a schedule: it
// fetches each issuer's certificate revocation list to where the functions read it, and writes to its log how many days
// are left of the certificates in the truststore and of the issuers.
//
// It promises to put no list in the place of another that the functions would not take (not signed by an issuer that they
// know) or that is older; and to fail, so that somebody is told, when a list cannot be fetched or has ended. It needs a
// way to the internet and none to the database: it runs outside the VPC.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func main() { awslambda.Main("trust", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	t := trust{
		log: awslambda.Log(v, os.Stderr), truststore: v.String("REFERRAL_TRUSTSTORE", ""),
		issuers: append(v.List("REFERRAL_NASH_CA"), v.List("REFERRAL_CLIENT_CA")...),
		lists:   v.List("REFERRAL_CRLS"), urls: v.List("REFERRAL_CRL_URLS"),
	}
	v.Require("REFERRAL_TRUSTSTORE", "REFERRAL_CRLS")
	if len(t.urls) > 0 && len(t.urls) != len(t.lists) {
		v.Wrong("REFERRAL_CRL_URLS", "one for each of REFERRAL_CRLS, in their order")
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	aws, err := awslambda.AWS(ctx)
	if err != nil {
		return nil, err
	}
	t.client = s3.NewFromConfig(aws)
	return t.refresh, nil
}

// trust is what callers are held against, each by its place, s3://bucket/key.
type trust struct {
	log        *slog.Logger
	client     *s3.Client
	truststore string
	issuers    []string
	lists      []string
	urls       []string // where lists come from, in their order; empty: somebody else puts them there
}

func (t trust) refresh(ctx context.Context) error {
	issuers, err := t.certificates(ctx, t.issuers...)
	if err != nil {
		return err
	}
	trusted, err := t.certificates(ctx, t.truststore)
	if err != nil {
		return err
	}
	for _, c := range append(trusted, issuers...) {
		t.log.LogAttrs(ctx, slog.LevelInfo, "trusted", slog.String("subject", c.Subject.String()), slog.Int("days", days(c.NotAfter)))
	}
	var failed []error // one list's trouble is not the next one's
	for i, name := range t.lists {
		url := ""
		if len(t.urls) > 0 {
			url = t.urls[i]
		}
		next, err := t.list(ctx, name, url, issuers)
		if err != nil {
			failed = append(failed, fmt.Errorf("revocation list %s: %w", name, err))
			continue
		}
		t.log.LogAttrs(ctx, slog.LevelInfo, "revocation list", slog.String("list", name), slog.Time("nextUpdate", next))
	}
	return errors.Join(failed...)
}

// certificates reads those of PEM documents.
func (t trust) certificates(ctx context.Context, names ...string) (all []*x509.Certificate, err error) {
	for _, name := range names {
		text, err := read(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		certificates, err := principal.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		all = append(all, certificates...)
	}
	return all, nil
}

func read(ctx context.Context, name string) ([]byte, error) {
	source, err := principal.OpenSource(ctx, awslambda.AWS, name)
	if err != nil {
		return nil, err
	}
	document, _, err := source.Read(ctx, "")
	return document, err
}

// days are those whole ones that are left until end; negative, it has passed.
func days(end time.Time) int { return int(time.Until(end).Hours() / 24) }
