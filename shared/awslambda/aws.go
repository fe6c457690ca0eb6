package awslambda

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
)

// AWS returns what config.LoadDefaultConfig makes of the variables that Lambda sets, and of those that a local stack needs:
// region, the role's credentials, which stay the same while a process lives, AWS_ENDPOINT_URL, that of each service, and
// AWS_MAX_ATTEMPTS. It looks nowhere else for credentials. So a function does without the clients of the four services
// that could give some, which it would never call: with them a bootstrap has 2 MB more.
func AWS(context.Context) (aws.Config, error) {
	c := aws.Config{
		Region: os.Getenv("AWS_REGION"),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))),
		ConfigSources:               []any{endpoints{}},
		HTTPClient:                  awshttp.Wrap(nil),
		Logger:                      logging.NewStandardLogger(os.Stderr),
		DefaultsMode:                aws.DefaultsModeLegacy,
		AccountIDEndpointMode:       aws.AccountIDEndpointModePreferred,
		RequestMinCompressSizeBytes: 10240, // the SDK's own
		RestrictFilePermissions:     aws.RestrictFilePermissionsUserReadWrite,
		RequestChecksumCalculation:  aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation:  aws.ResponseChecksumValidationWhenSupported,
	}
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" {
		c.BaseEndpoint = &url
	}
	if attempts := os.Getenv("AWS_MAX_ATTEMPTS"); attempts != "" {
		var err error
		if c.RetryMaxAttempts, err = strconv.Atoi(attempts); err != nil {
			return aws.Config{}, errors.New("AWS_MAX_ATTEMPTS needs a number")
		}
	}
	return c, nil
}

// endpoints are those of the services that have a variable of their own, such as AWS_ENDPOINT_URL_SECRETS_MANAGER.
type endpoints struct{}

// GetServiceBaseEndpoint is how the SDK asks a source of configuration.
func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url := os.Getenv("AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(service), " ", "_"))
	return url, url != "", nil
}
