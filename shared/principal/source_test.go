package principal_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// read holds what source gives to who has seen a version, and returns the version.
func read(t testing.TB, source principal.Source, seen, want string) string {
	t.Helper()
	document, version, err := source.Read(t.Context(), seen)
	if err != nil || string(document) != want {
		t.Errorf("got %q, error %v; want %q", document, err, want)
	}
	return version
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clients.json")
	write := func(content string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	file := principal.File(name)
	write("first", time.Hour)
	version := read(t, file, "", "first")
	read(t, file, version, "")
	write("other", time.Minute) // as long as the first
	version = read(t, file, version, "other")
	read(t, file, version, "")
	write("again", 0) // what changes in one tick of the clock has one time stamp
	version = read(t, file, version, "again")
	write("twice", 0)
	read(t, file, version, "twice")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, _, err := file.Read(t.Context(), version); err == nil || strings.Contains(err.Error(), name) {
		t.Errorf("got error %v, want one that does not name the file", err)
	}
}

func TestObject(t *testing.T) {
	fake := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	defer fake.Close()
	client := s3.New(s3.Options{
		Region: "ap-southeast-2", BaseEndpoint: aws.String(fake.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	put := func(content string) {
		t.Helper()
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("settings"), Key: aws.String("clients.json"), Body: strings.NewReader(content),
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("settings")}); err != nil {
		t.Fatal(err)
	}
	object := principal.Object{Client: client, Bucket: "settings", Key: "clients.json"}
	if _, _, err := object.Read(t.Context(), ""); err == nil {
		t.Error("got no error for an object that is not there")
	}
	put("first")
	version := read(t, object, "", "first")
	read(t, object, version, "")
	put("second")
	version = read(t, object, version, "second")
	read(t, object, version, "")
}

func TestOpenSource(t *testing.T) {
	load := func(context.Context) (aws.Config, error) { return aws.Config{Region: "ap-southeast-2"}, nil }
	if source, err := principal.OpenSource(t.Context(), load, "clients.json"); err != nil || source != principal.File("clients.json") {
		t.Errorf("got %v, error %v; want the file", source, err)
	}
	source, err := principal.OpenSource(t.Context(), load, "s3://settings/referral/clients.json")
	if object, ok := source.(principal.Object); err != nil || !ok || object.Bucket != "settings" || object.Key != "referral/clients.json" {
		t.Errorf("got %v, error %v; want the object", source, err)
	}
	for _, name := range []string{"s3://", "s3://settings", "s3://settings/", "s3:///clients.json"} {
		if _, err := principal.OpenSource(t.Context(), load, name); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
