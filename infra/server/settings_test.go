package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

func TestEveryWrongSettingIsReportedAtOnce(t *testing.T) {
	wrong := map[string]string{
		"REFERRAL_ADDR": "8080", "REFERRAL_OPS_ADDR": "8081", "REFERRAL_SQS_ADDR": "9324", "REFERRAL_BASE_URL": "nowhere",
		"DATABASE_URL": "postgres://[", "REFERRAL_QUEUE_DATABASE_URL": "postgres://[", "REFERRAL_KD": strings.Repeat("A", 44), "REFERRAL_MAX_CONNECTIONS": "0",
		"REFERRAL_CORS_ORIGINS": "*", "REFERRAL_CORS_MAX_AGE": "48h", "REFERRAL_SECRETS_TTL": "1s",
		"REFERRAL_WORKERS": "0", "REFERRAL_STORE_CONNECTIONS": "0", "REFERRAL_QUEUE_CONNECTIONS": "3",
		"REFERRAL_CLIENTS": "/nowhere", "REFERRAL_MAX_WORK": "0", "REFERRAL_MAX_BODY": "0", "REFERRAL_MAX_ENTRIES": "0",
		"REFERRAL_MESSAGE_TIMEOUT": "100ms", "REFERRAL_LOG_LEVEL": "loud",
		"REFERRAL_QUEUE": "none", "REFERRAL_DEFAULT_WAIT": "21s",
	}
	v := envtest.Settings(wrong)
	readSettings(v)
	err := v.Err()
	if err == nil {
		t.Fatal("got no error")
	}
	delete(wrong, "REFERRAL_KD") // which is right
	for name := range wrong {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	if !strings.Contains(err.Error(), "REFERRAL_KM") {
		t.Errorf("%v does not say that REFERRAL_KM is missing", err)
	}
}

// TestDefaultWaitOfEachQueue: without a queue all wait, unless told otherwise.
func TestDefaultWaitOfEachQueue(t *testing.T) {
	for _, test := range []struct {
		queue, wait string
		want        time.Duration
	}{
		{"", "", 0}, {"sqs", "3s", 3 * time.Second}, {"direct", "", 20 * time.Second}, {"direct", "0s", 0},
	} {
		vars := map[string]string{"REFERRAL_QUEUE": test.queue, "REFERRAL_DEFAULT_WAIT": test.wait}
		v := envtest.Settings(vars)
		if got := readSettings(v).defaultWait; got != test.want || v.Err() != nil {
			t.Errorf("%+v: got %v, error %v", test, got, v.Err())
		}
	}
}

// TestBootstrapsNeedAQueue: a function cannot call another.
func TestBootstrapsNeedAQueue(t *testing.T) {
	vars := map[string]string{"REFERRAL_QUEUE": "direct", "REFERRAL_LAMBDA_DIR": "build"}
	v := envtest.Settings(vars)
	if readSettings(v); v.Err() == nil || !strings.Contains(v.Err().Error(), "REFERRAL_QUEUE") {
		t.Errorf("got error %v, want one that names REFERRAL_QUEUE", v.Err())
	}
}

// TestVisibilityOutlastsInvocation: a message that comes back while it is being settled is settled in vain.
func TestVisibilityOutlastsInvocation(t *testing.T) {
	for _, message := range []time.Duration{time.Second / 2, 5 * time.Second, 5 * time.Minute} {
		invocation, visibility := invocationTimeout(message), visibilityTimeout(message)
		if invocation < 2*message {
			t.Errorf("an invocation has %v, no time for a second try of %v", invocation, message)
		}
		if visibility <= invocation+time.Second/2 {
			t.Errorf("a message is hidden for %v, want more than the invocation's %v", visibility, invocation)
		}
	}
}

func TestSettingsAreInTheReadme(t *testing.T) {
	envtest.CheckReadme(t, "../../README.md", "## Settings", "", func(v *env.Settings) { readSettings(v) })
}
