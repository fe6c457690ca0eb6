package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

// TestListsOutOfTurnAndOfOthers: one that is issued out of turn, to revoke at once, replaces one that is due later; and
// none replaces another issuer's.
func TestListsOutOfTurnAndOfOthers(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	now := time.Now()
	ordinary := ca.list(t, 1, now.Add(40*time.Hour))
	emergency, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(40 * time.Hour).Truncate(time.Second),
	}, ca.certificate, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ comes, want []byte }{
		"out of turn": {emergency, emergency},
		"another's":   {other.list(t, 9, now.Add(100*time.Hour)), ordinary},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(t)
			issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(test.comes) }))
			t.Cleanup(issuer.Close)
			b.put(t, "truststore.pem", ca.pem())
			b.put(t, "ca.pem", append(ca.pem(), other.pem()...))
			b.put(t, "crl/ca.crl", ordinary)
			handler, err := start(t.Context(), envtest.Settings(map[string]string{
				"REFERRAL_TRUSTSTORE": "s3://configuration/truststore.pem", "REFERRAL_CLIENT_CA": "s3://configuration/ca.pem",
				"REFERRAL_CRLS": "s3://configuration/crl/ca.crl", "REFERRAL_CRL_URLS": issuer.URL,
			}))
			if err != nil {
				t.Fatal(err)
			}
			_ = handler.(func(context.Context) error)(t.Context())
			if got := b.get(t, "crl/ca.crl"); !bytes.Equal(got, test.want) {
				t.Error("got another list than wanted")
			}
		})
	}
}
