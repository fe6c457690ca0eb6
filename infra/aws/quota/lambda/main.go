// Command lambda writes to its log what each API key has used of its day's quota, as an AWS Lambda function on a schedule:
// API Gateway has no metric of it, and refuses whoever has used all. It promises a line for each key that was used today,
// with the share of its quota in percent, for a metric filter to read. It needs a way to API Gateway's own interface and
// none to the database: it runs outside the VPC.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

func main() { awslambda.Main("quota", start) }

func start(ctx context.Context, v *env.Settings) (any, error) {
	plan, log := v.String("REFERRAL_USAGE_PLAN", ""), awslambda.Log(v, os.Stderr)
	v.Require("REFERRAL_USAGE_PLAN")
	if err := v.Err(); err != nil {
		return nil, err
	}
	configuration, err := awslambda.AWS(ctx)
	if err != nil {
		return nil, err
	}
	g := gateway{configuration, v.String("AWS_ENDPOINT_URL_API_GATEWAY", "https://apigateway."+configuration.Region+".amazonaws.com")}
	return func(ctx context.Context) error {
		usage, err := g.usage(ctx, plan, time.Now().UTC().Format(time.DateOnly)) // API Gateway's days are UTC's
		for key, u := range usage {
			log.LogAttrs(ctx, slog.LevelInfo, "quota", slog.String("apiKeyId", key), slog.Int64("used", u.used), slog.Int64("percent", u.percent()))
		}
		if err != nil {
			return fmt.Errorf("usage of the day: %w", err)
		}
		return nil
	}, nil
}

// usage is how many requests a key has made and may still make.
type usage struct{ used, remaining int64 }

func (u usage) percent() int64 { return 100 * u.used / max(1, u.used+u.remaining) }

// gateway is API Gateway's own interface. Its one call is made here and not by the SDK's package of it, which would be a
// module more for it.
type gateway struct {
	aws      aws.Config
	endpoint string
}

// usage returns what each key has used on a day (API Gateway API Reference, GetUsage).
func (g gateway) usage(ctx context.Context, plan, day string) (map[string]usage, error) {
	all := map[string]usage{}
	for position := ""; ; {
		query := url.Values{"startDate": {day}, "endDate": {day}, "limit": {"500"}}
		if position != "" {
			query.Set("position", position)
		}
		var page struct {
			Position string
			Values   map[string][][2]int64 // used and remaining, for each day
		}
		if err := g.get(ctx, "/usageplans/"+url.PathEscape(plan)+"/usage?"+query.Encode(), &page); err != nil {
			return all, err
		}
		for key, days := range page.Values {
			if len(days) > 0 {
				all[key] = usage{days[0][0], days[0][1]}
			}
		}
		if position = page.Position; position == "" {
			return all, nil
		}
	}
}

// noBody is the SHA-256 of nothing, which the signature is of.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func (g gateway) get(ctx context.Context, target string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.endpoint+target, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	credentials, err := g.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, noBody, "apigateway", g.aws.Region, time.Now()); err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("API Gateway answered %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
