package lambdahost_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

// TestSecrets: the functions take their keys and the way to the store from Secrets Manager, and are told neither.
func TestSecrets(t *testing.T) {
	s := newStack(t)
	store, err := url.Parse(s.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	login := "function_" + strings.TrimPrefix(store.Path, "/")
	s.execute(t, "create role "+login+" login password 'synthetic' in role referral_processor, referral_query")
	t.Cleanup(func() { s.execute(t, "drop role "+login) })
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	stored := map[string]string{
		"referral/keys":  fmt.Sprintf(`{"kd": {"current": 1, "keys": {"1": %q}}, "km": {"current": 7, "keys": {"7": %q}}}`, key, key),
		"referral/store": fmt.Sprintf(`{"username": %q, "password": "synthetic", "host": %q, "port": %s, "dbname": %q}`, login, store.Hostname(), store.Port(), store.Path[1:]),
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // GetSecretValue
		var in struct{ SecretId string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || stored[in.SecretId] == "" {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(map[string]string{"Name": in.SecretId, "SecretString": stored[in.SecretId]})
	}))
	t.Cleanup(service.Close)
	s.env = slices.DeleteFunc(s.env, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name == "DATABASE_URL" || name == "REFERRAL_KD" || name == "REFERRAL_KM"
	})
	s.env = append(s.env, "AWS_ENDPOINT_URL_SECRETS_MANAGER="+service.URL, "REFERRAL_KEYS_SECRET=referral/keys", "REFERRAL_DATABASE_SECRET=referral/store")

	s.start(t, "processor", 20*time.Second)
	accepted := do(t, lambdahost.HTTP(s.start(t, "ingest", 20*time.Second)), "POST", "/fhir", example(t, "one"))
	if accepted.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", accepted.Code, accepted.Body)
	}
	status := strings.TrimPrefix(accepted.Header().Get("Content-Location"), baseURL)
	if w := do(t, lambdahost.HTTP(s.start(t, "query", 20*time.Second)), "GET", status, nil); w.Code != http.StatusAccepted {
		t.Errorf("%s: got %d %s, want 202 of what has not settled", status, w.Code, w.Body)
	}
}

// execute runs sql as the owner of the store.
func (s *stack) execute(t testing.TB, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it cleans up, too
	conn, err := pgx.Connect(ctx, s.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Error(err)
	}
}
