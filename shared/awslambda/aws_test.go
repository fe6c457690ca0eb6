package awslambda_test

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
)

// TestAWSIsTheDefault: what a function makes of the variables of Lambda is what the SDK makes of them, and so are clients.
func TestAWSIsTheDefault(t *testing.T) {
	lambda := []string{
		"AWS_REGION=ap-southeast-2", "AWS_ACCESS_KEY_ID=AKIDSYNTHETIC", "AWS_SECRET_ACCESS_KEY=synthetic", "AWS_SESSION_TOKEN=synthetic token",
	}
	for name, more := range map[string][]string{
		"Lambda":      nil,
		"local stack": {"AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:2", "AWS_SESSION_TOKEN=", "AWS_MAX_ATTEMPTS=1"},
		"one for all": {"AWS_ENDPOINT_URL=http://127.0.0.1:3"},
		"one of both": {"AWS_ENDPOINT_URL=http://127.0.0.1:3", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range os.Environ() {
				if strings.HasPrefix(variable, "AWS_") {
					name, _, _ := strings.Cut(variable, "=")
					t.Setenv(name, "")
				}
			}
			for _, variable := range append(lambda, more...) {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			t.Setenv("AWS_CONFIG_FILE", "none")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
			got, err := awslambda.AWS(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, err := config.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			gotKeys, gotErr := got.Credentials.Retrieve(t.Context())
			wantKeys, wantErr := want.Credentials.Retrieve(t.Context())
			if gotErr != nil || wantErr != nil || gotKeys.AccessKeyID != wantKeys.AccessKeyID ||
				gotKeys.SecretAccessKey != wantKeys.SecretAccessKey || gotKeys.SessionToken != wantKeys.SessionToken || gotKeys.CanExpire {
				t.Errorf("got %v and %v, want the credentials %v, %v", gotKeys, gotErr, wantKeys, wantErr)
			}
			sources := cmpopts.IgnoreFields(aws.Config{}, "Credentials", "ConfigSources", "Logger", "HTTPClient")
			if diff := cmp.Diff(want, got, sources, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for service, endpoint := range map[string]func(aws.Config) *string{
				"S3":              func(c aws.Config) *string { return s3.NewFromConfig(c).Options().BaseEndpoint },
				"Secrets Manager": func(c aws.Config) *string { return secretsmanager.NewFromConfig(c).Options().BaseEndpoint },
			} {
				if diff := cmp.Diff(endpoint(want), endpoint(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", service, diff)
				}
			}
		})
	}
}

// TestAWSNeedsANumber: an attempt count that is none is told when the process starts, as the SDK does.
func TestAWSNeedsANumber(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "many")
	if _, err := awslambda.AWS(t.Context()); err == nil {
		t.Error("got no error")
	}
}
