package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

const secretID = "referral/test"

// service answers as Secrets Manager does (Secrets Manager API Reference, GetSecretValue; AWS JSON 1.1).
type service struct {
	endpoint string

	mu     sync.Mutex // guards what follows
	secret string
	fails  []string // codes of errors for the next requests; the last one stays
	asked  int
	before func() // each answer; nil: nothing
}

func newService(t testing.TB, secret string) *service {
	t.Helper()
	s := &service{secret: secret}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.endpoint = server.URL
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	w.Header().Set("X-Amzn-RequestId", fmt.Sprint("request ", s.asked, time.Now().UnixNano()))
	secret, code, before := s.secret, "", s.before
	if len(s.fails) > 0 {
		if code = s.fails[0]; len(s.fails) > 1 {
			s.fails = s.fails[1:]
		}
	}
	s.mu.Unlock()
	if before != nil {
		before()
	}
	var in struct{ SecretId string }
	switch {
	case r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDTEST/"):
		code = "InvalidRequestException"
	case json.NewDecoder(r.Body).Decode(&in) != nil || in.SecretId != secretID:
		code = "ResourceNotFoundException"
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "Message": "told by the service"})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"ARN": "arn:aws:secretsmanager:ap-southeast-2:111122223333:secret:referral/test-AbCdEf", "Name": secretID,
		"SecretString": secret, "VersionId": "00000000-0000-4000-8000-000000000001", "VersionStages": []string{"AWSCURRENT"}, "CreatedDate": 1.7e9,
	})
}

// load is what a host makes of its environment.
func load(ctx context.Context) (aws.Config, error) { return config.LoadDefaultConfig(ctx) }

// configure makes s the service of the AWS configuration.
func (s *service) configure(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": s.endpoint, "AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "AKIDTEST",
		"AWS_SECRET_ACCESS_KEY": "synthetic", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
	} {
		t.Setenv(name, value)
	}
}

// put makes secret the current one.
func (s *service) put(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.fails = secret, nil
}

func (s *service) fail(codes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = codes
}

// requests returns how many there have been since it was called last.
func (s *service) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.asked
	s.asked = 0
	return n
}

// setup is a Config of a real client for s, with a clock and a log of its own.
type setup struct {
	secrets.Config
	clock *clock
	log   *lines
}

func newSetup(s *service) setup {
	c := setup{clock: &clock{now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}, log: &lines{}}
	c.Config = secrets.Config{ID: secretID, Clock: c.clock.Now, Log: slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	c.Client = secretsmanager.New(secretsmanager.Options{
		Region: "ap-southeast-2", BaseEndpoint: aws.String(s.endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "synthetic", ""),
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
	return c
}

type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
