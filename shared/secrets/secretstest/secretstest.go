// Package secretstest answers as AWS Secrets Manager does, for tests of who reads a secret through the real SDK client.
package secretstest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Serve has every secret be what secret returns (Secrets Manager API Reference, GetSecretValue; AWS JSON 1.1), and the SDK's
// configuration lead to it until t ends.
func Serve(t testing.TB, secret func() string) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			t.Errorf("got %s, want GetSecretValue alone", r.Header.Get("X-Amz-Target"))
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": "referral/test", "SecretString": secret()})
	}))
	t.Cleanup(service.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": service.URL, "AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "AKIDTEST",
		"AWS_SECRET_ACCESS_KEY": "synthetic", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none",
	} {
		t.Setenv(name, value)
	}
}

// Database is the secret, as RDS writes it, of the database at url.
func Database(t testing.TB, url string) string {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"engine": "postgres", "host": c.Host, "port": c.Port, "username": c.User, "password": c.Password, "dbname": c.Database,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
