package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets/secretstest"
)

// TestStoreOfASecret: a server whose store is of a secret counts its connections, migrates it and settles in it. Whoever is
// given its environment opens the store the same way, and finds no password there.
func TestStoreOfASecret(t *testing.T) {
	url, data := pgtest.Empty(t), dataDir(t)
	secretstest.Serve(t, func() string { return secretstest.Database(t, url) })
	variables := []string{"REFERRAL_DATABASE_SECRET", "referral/store", "REFERRAL_DATA_DIR", data}
	for _, name := range []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		variables = append(variables, name, os.Getenv(name))
	}
	s := started(t, variables...)
	sender := client{s.base.String(), "dev-sender"}
	sender.follow(t, sender.submit(t, example(t, "cardiology-referral")), 10*time.Second)

	published, err := os.ReadFile(filepath.Join(data, "env"))
	if err != nil || strings.Contains(string(published), "DATABASE_URL=") || !strings.Contains(string(published), "REFERRAL_DATABASE_SECRET='referral/store'\n") {
		t.Errorf("got %s, error %v; want the name of the secret, and no URL", published, err)
	}
	given := map[string]string{}
	for _, variable := range s.environment() {
		name, value, _ := strings.Cut(variable, "=")
		given[name] = value
	}
	for name, value := range given {
		t.Setenv(name, value)
	}
	v := env.Read(os.LookupEnv)
	store := awslambda.Store(v, awslambda.AWS, postgres.RoleQuery)
	if store == nil {
		t.Fatal(v.Err())
	}
	defer store.Close()
	if err := store.Ready(t.Context()); err != nil {
		t.Errorf("with the environment of the server: %v", err)
	}
}

// TestPoolsOfASecret: the connections of a store that is of a secret are counted, too.
func TestPoolsOfASecret(t *testing.T) {
	url := pgtest.Empty(t)
	secretstest.Serve(t, func() string { return secretstest.Database(t, url) })
	vars := map[string]string{"REFERRAL_DATABASE_SECRET": "referral/store", "REFERRAL_STORE_CONNECTIONS": "60"}
	v := envtest.Settings(vars)
	s := &server{settings: readSettings(v)}
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.checkPools(t.Context(), *s.settings.store, "postgres://nobody@127.0.0.1:1/queue"); err == nil || !strings.Contains(err.Error(), "123 connections") {
		t.Errorf("got %v, want it to say 123 connections", err)
	}
}

// TestBootstrapsNeedCredentialsForASecret that they are handed on: they look for none elsewhere.
func TestBootstrapsNeedCredentialsForASecret(t *testing.T) {
	secretstest.Serve(t, func() string { return "{}" })
	vars := map[string]string{"REFERRAL_DATABASE_SECRET": "referral/store", "REFERRAL_LAMBDA_DIR": "build"}
	v := envtest.Settings(vars)
	readSettings(v)
	if err := v.Err(); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID must be set; AWS_SECRET_ACCESS_KEY must be set") {
		t.Errorf("got %v, want it to name the credentials", err)
	}
}
