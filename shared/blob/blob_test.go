package blob_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// stores are the two kinds, both held to the same promises.
func stores(t *testing.T) map[string]blob.Store {
	t.Helper()
	dir, err := blob.OpenDir(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	fake := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(fake.Close)
	client := s3.New(s3.Options{
		Region: "ap-southeast-2", BaseEndpoint: aws.String(fake.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("claims")}); err != nil {
		t.Fatal(err)
	}
	return map[string]blob.Store{"dir": dir, "S3": blob.OpenS3(client, "claims")}
}

func TestPutGet(t *testing.T) {
	content := bytes.Repeat([]byte{0, 1, 0xff}, 1<<20)
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Get(t.Context(), "8003621566684455/d/hash"); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("got error %v before Put, want ErrNotFound", err)
			}
			var wg sync.WaitGroup
			for range 8 { // the same request eight times at once
				wg.Go(func() {
					if err := s.Put(t.Context(), "8003621566684455/d/hash", content); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got, err := s.Get(t.Context(), "8003621566684455/d/hash")
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes, error %v; want the %d that were put", len(got), err, len(content))
			}
		})
	}
}

// TestListDelete: what begins with a prefix, and no longer what was deleted, which may be deleted again.
func TestListDelete(t *testing.T) {
	began := time.Now().Add(-time.Minute) // clocks and file systems round
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"a/b/one", "a/b/two", "a/bc/three", "dead-letters/a/four"} {
				if err := s.Put(t.Context(), key, []byte(key)); err != nil {
					t.Fatal(err)
				}
			}
			want := func(prefix string, want ...string) {
				t.Helper()
				var got []string
				err := s.List(t.Context(), prefix, func(o blob.Object) error {
					got = append(got, o.Key)
					if o.Size != int64(len(o.Key)) || o.Modified.Before(began) {
						t.Errorf("got %+v, want its size and time", o)
					}
					return nil
				})
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%q (-want +got):\n%s%v", prefix, diff, err)
				}
			}
			want("", "a/b/one", "a/b/two", "a/bc/three", "dead-letters/a/four")
			want("a/b", "a/b/one", "a/b/two", "a/bc/three")
			want("dead-letters/", "dead-letters/a/four")
			want("none")
			for range 2 {
				if err := s.Delete(t.Context(), "a/b/one"); err != nil {
					t.Fatal(err)
				}
			}
			want("a/b/", "a/b/two")
			enough := errors.New("enough")
			if err := s.List(t.Context(), "", func(blob.Object) error { return enough }); !errors.Is(err, enough) {
				t.Errorf("got error %v, want the caller's", err)
			}
		})
	}
}

// TestDirMendsADamagedObject: a crash of the machine may leave a name without its content.
func TestDirMendsADamagedObject(t *testing.T) {
	parent := t.TempDir()
	dir, err := blob.OpenDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := os.WriteFile(filepath.Join(parent, "hash"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Put(t.Context(), "hash", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if got, err := dir.Get(t.Context(), "hash"); err != nil || string(got) != "whole" {
		t.Errorf("got %q, error %v; want what was put", got, err)
	}
}

// TestDirLeavesNothingBehind: what cannot be put in place does not stay under another name.
func TestDirLeavesNothingBehind(t *testing.T) {
	parent := t.TempDir()
	dir, err := blob.OpenDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := os.MkdirAll(filepath.Join(parent, "taken", "by a directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dir.Put(t.Context(), "taken", []byte("x")); err == nil {
		t.Error("Put replaced a directory")
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %v, error %v; want the directory alone", entries, err)
	}
}

func TestDirKeepsToItself(t *testing.T) {
	outside := t.TempDir()
	dir, err := blob.OpenDir(filepath.Join(outside, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, key := range []string{"../escaped", "a/../../escaped", "/escaped"} {
		if err := dir.Put(t.Context(), key, []byte("x")); err == nil {
			t.Errorf("Put(%q) went through", key)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "escaped")); err == nil {
		t.Error("a key led outside")
	}
}
