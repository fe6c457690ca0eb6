package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

// authority is a CA whose key is at hand.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Synthetic CA"}, NotAfter: time.Now().Add(36 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// list is a revocation list whose next one is due at next.
func (a authority) list(t testing.TB, number int64, next time.Time) []byte {
	t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: next.Add(-48 * time.Hour), NextUpdate: next,
	}, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// bucket is the configuration bucket.
type bucket struct{ *s3.Client }

const bucketName = "configuration"

func newBucket(t testing.TB) bucket {
	t.Helper()
	objects := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(objects.Close)
	for name, value := range map[string]string{
		"AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL_S3": objects.URL,
	} {
		t.Setenv(name, value)
	}
	configuration, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := bucket{s3.NewFromConfig(configuration)}
	if _, err := b.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b bucket) put(t testing.TB, key string, content []byte) {
	t.Helper()
	if _, err := b.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}

func (b bucket) get(t testing.TB, key string) []byte {
	t.Helper()
	out, err := b.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key})
	if err != nil {
		return nil
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestLists: the newest good list is kept, whatever comes.
func TestLists(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	now := time.Now()
	ended, old, fresh := ca.list(t, 1, now.Add(-time.Hour)), ca.list(t, 2, now.Add(time.Hour)), ca.list(t, 3, now.Add(25*time.Hour))
	for _, test := range []struct {
		name          string
		there, comes  []byte // nil: none is there; it is not fetched
		status        int
		want          []byte
		wantErr       string
		withoutSource bool
	}{
		{name: "the first", comes: fresh, want: fresh},
		{name: "a newer one", there: old, comes: fresh, want: fresh},
		{name: "the same", there: fresh, comes: fresh, want: fresh},
		{name: "an old one comes again", there: fresh, comes: old, want: fresh},
		{name: "what is there is none", there: []byte("no list"), comes: fresh, want: fresh},
		{name: "another's", there: old, comes: other.list(t, 4, now.Add(time.Hour)), want: old, wantErr: "no issuer of client certificates has signed"},
		{name: "no list", there: old, comes: []byte("<html>"), want: old, wantErr: "not a list"},
		{name: "its source is away", there: old, status: http.StatusServiceUnavailable, want: old, wantErr: "503"},
		{name: "no newer one than one that has ended", there: ended, comes: ended, want: ended, wantErr: "a next one was due"},
		{name: "nobody fetches, and it is good", there: old, withoutSource: true, want: old},
		{name: "nobody fetches, and it has ended", there: ended, withoutSource: true, want: ended, wantErr: "a next one was due"},
		{name: "nobody fetches, and there is none", withoutSource: true, wantErr: "NoSuchKey"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBucket(t)
			issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.status != 0 {
					w.WriteHeader(test.status)
				}
				_, _ = w.Write(test.comes)
			}))
			t.Cleanup(issuer.Close)
			b.put(t, "truststore.pem", ca.pem())
			b.put(t, "ca.pem", ca.pem())
			if test.there != nil {
				b.put(t, "crl/ca.crl", test.there)
			}
			values := map[string]string{
				"REFERRAL_TRUSTSTORE": "s3://configuration/truststore.pem", "REFERRAL_CLIENT_CA": "s3://configuration/ca.pem",
				"REFERRAL_CRLS": "s3://configuration/crl/ca.crl",
			}
			if !test.withoutSource {
				values["REFERRAL_CRL_URLS"] = issuer.URL
			}
			handler, err := start(t.Context(), envtest.Settings(values))
			if err != nil {
				t.Fatal(err)
			}
			err = handler.(func(context.Context) error)(t.Context())
			if (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("got error %v, want %q", err, test.wantErr)
			}
			if got := b.get(t, "crl/ca.crl"); !bytes.Equal(got, test.want) {
				t.Errorf("got another list than wanted, of %d bytes", len(got))
			}
		})
	}
}

func TestDays(t *testing.T) {
	for left, want := range map[time.Duration]int{36 * time.Hour: 1, 23 * time.Hour: 0, -36 * time.Hour: -1} {
		if got := days(time.Now().Add(left)); got != want {
			t.Errorf("%v: got %d days, want %d", left, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	_, err := start(t.Context(), envtest.Settings(map[string]string{"REFERRAL_CRL_URLS": "http://a.example,http://b.example"}))
	for _, name := range []string{"REFERRAL_TRUSTSTORE", "REFERRAL_CRLS", "REFERRAL_CRL_URLS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want that it names %s", err, name)
		}
	}
}
