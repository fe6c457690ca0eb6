package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// clocked is a clock that a test sets.
type clocked struct{ now time.Time }

func (c *clocked) Now() time.Time                  { return c.now }
func (c *clocked) Since(t time.Time) time.Duration { return c.now.Sub(t) }

// newBucket makes the bucket of claimed bodies, and sets what names it; each of its answers is followed by a call of then,
// unless that is nil.
func newBucket(t *testing.T, clock *clocked, then func(*http.Request)) *blob.S3 {
	t.Helper()
	handler := gofakes3.New(s3mem.New(s3mem.WithTimeSource(clock)), gofakes3.WithTimeSource(clock), gofakes3.WithTimeSkewLimit(0)).Server()
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if then != nil {
			then(r)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(fake.Close)
	client := s3.New(s3.Options{
		Region: "ap-southeast-2", BaseEndpoint: aws.String(fake.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("claims")}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", fake.URL)
	t.Setenv("REFERRAL_BLOB_BUCKET", "claims")
	return blob.OpenS3(client, "claims")
}

// TestSweep removes claimed bodies that nothing claims any more, of files and of S3 alike.
func TestSweep(t *testing.T) {
	const day = 24 * time.Hour // localsqs keeps messages for four days unless it is told otherwise
	for _, kind := range []string{"files", "S3"} {
		t.Run(kind, func(t *testing.T) {
			p := newSorter(t)
			clock := &clocked{}
			var bucket *blob.S3
			if kind == "S3" {
				bucket = newBucket(t, clock, nil)
			}
			keep := func(name string, age time.Duration, state referral.State) string {
				m := p.accepted(name)
				if state != "" {
					p.settle(t, m, state)
				}
				key := p.claim(t, m, age)
				if name == "of an earlier release" {
					key = clinic + "/" + filepath.Base(key)
				}
				if bucket != nil || key != m.Claim {
					content, err := os.ReadFile(filepath.Join(p.blobs, m.Claim))
					if err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(filepath.Join(p.blobs, m.Claim), filepath.Join(p.blobs, key)); err != nil {
						t.Fatal(err)
					}
					if clock.now = time.Now().Add(-age); bucket != nil {
						if err := bucket.Put(t.Context(), key, content); err != nil {
							t.Fatal(err)
						}
					}
				}
				if name == "dead" {
					p.deliver(t, p.dead, m)
				}
				return key
			}
			kept := []string{
				keep("young", 4*day, referral.Completed), keep("quarantined", 6*day, referral.Quarantined), keep("dead", 6*day, referral.Completed),
			}
			done := []string{keep("completed", 6*day, referral.Completed), keep("rejected", 6*day, referral.Rejected)}
			unknown := []string{keep("unknown", 6*day, ""), keep("of an earlier release", 6*day, "")}
			referralctl(t, "", "dlq", "archive").want(t, 0, "1 dead letters were archived.", "") // beside the bodies
			store, err := blob.OpenDir(p.blobs)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			var all blob.Store = store
			if bucket != nil {
				all = bucket
			}
			letters := 0
			left := func() (keys []string) {
				t.Helper()
				letters = 0
				if err := all.List(t.Context(), "", func(o blob.Object) error {
					if strings.HasPrefix(o.Key, "dead-letters/") {
						letters++
						return nil
					}
					keys = append(keys, o.Key)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				slices.Sort(keys)
				return keys
			}
			want := func(some ...[]string) {
				t.Helper()
				keys := slices.Concat(some...)
				slices.Sort(keys)
				if diff := cmp.Diff(keys, left()); diff != "" || letters != 2 {
					t.Errorf("%d objects of the archive, want 2; bodies (-want +got):\n%s", letters, diff)
				}
			}
			dry := referralctl(t, "", "sweep")
			dry.want(t, 0, "4 claimed bodies would be removed, ", "")
			dry.want(t, 0, ": 2 of submissions that have settled, 2 of none that is known. 1 are kept since they are young, 2 since they are needed.\nNothing was changed", "")
			want(kept, done, unknown)
			referralctl(t, "", "sweep", "--yes").want(t, exitUsage, "", "--yes needs --reason")
			waiting := p.accepted("waiting")
			p.deliver(t, p.to, waiting)
			referralctl(t, "", "sweep", "--yes", "--reason", "INC-3").want(t, 0, "2 claimed bodies were removed", "")
			want(kept, unknown)
			p.drain(t, p.to)
			referralctl(t, "", "--json", "sweep", "--yes", "--reason", "INC-4").want(t, 0, `{"dryRun":false,"settled":0,"unknown":2,`, "")
			want(kept)
			audit := p.rows(t, `select concat_ws(' ', org, action, regexp_replace(entity, 'before[^&]*|bytes=[1-9][0-9]*', '_', 'g'), reason) from audit order by id`)
			if diff := cmp.Diff([]string{
				"operator D queue/referrals?claims=_ INC-3", "operator D queue/referrals?_&claims=_&removed=2 INC-3",
				"operator D queue/referrals?claims=_ INC-4", "operator D queue/referrals?_&claims=_&removed=2 INC-4",
			}, audit); diff != "" {
				t.Errorf("audit (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSweepNeedsAllLetters: what others have received may claim a body.
func TestSweepNeedsAllLetters(t *testing.T) {
	p := newSorter(t)
	p.genuine(t, "k")
	if got := p.receive(t, p.dead); got != 1 {
		t.Fatalf("got %d letters, want 1", got)
	}
	referralctl(t, "", "sweep").want(t, exitFailed, "", "others have received 1 dead letters")
	t.Setenv("REFERRAL_BLOB_DIR", "")
	referralctl(t, "", "sweep").want(t, exitUsage, "", "REFERRAL_BLOB_BUCKET or REFERRAL_BLOB_DIR")
}

// TestSweepLeavesWhatIsSentAgain: the first POST was answered 503 after its body had been kept, and is sent again, 20 days
// later, between the listing and the removal.
func TestSweepLeavesWhatIsSentAgain(t *testing.T) {
	p := newSorter(t)
	clock := &clocked{now: time.Now().Add(-20 * 24 * time.Hour)}
	var again sync.Once
	var sendAgain func()
	bucket := newBucket(t, clock, func(r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Query().Has("list-type") {
			again.Do(sendAgain)
		}
	})
	m := p.accepted("again")
	key, object := m.CheckIn()
	if err := bucket.Put(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	sendAgain = func() {
		clock.now = time.Now()
		if err := bucket.Put(t.Context(), key, object); err != nil {
			t.Error(err)
		}
		p.deliver(t, p.to, m)
	}
	referralctl(t, "", "sweep", "--yes", "--reason", "INC-3").want(t, 0, "0 claimed bodies were removed", "")
	if _, err := bucket.Get(t.Context(), key); err != nil {
		t.Errorf("a message waits, and its body is gone: %v", err)
	}
}

// TestLettersOfANewerVersion: what this version cannot read may claim a body and is somebody's submission.
func TestLettersOfANewerVersion(t *testing.T) {
	p := newSorter(t)
	old, m := p.accepted("old"), p.accepted("newer")
	p.deliver(t, p.dead, old)
	key := p.claim(t, m, 6*24*time.Hour)
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`"v":\d+`).ReplaceAllString(text, `"v":99`)
	if _, err := p.client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &p.dead, MessageBody: &text}); err != nil {
		t.Fatal(err)
	}
	const newer = "of a newer version"
	t.Setenv("REFERRAL_ARCHIVE_DIR", t.TempDir())
	referralctl(t, "", "dlq", "archive").want(t, exitFailed, "", "1 dead letters were archived before this, and the same command goes on: there are dead letters "+newer)
	referralctl(t, "", "dlq", "discard", "--max", "2", "--yes", "--reason", "INC-3").want(t, exitFailed, "", newer)
	referralctl(t, "", "sweep", "--yes", "--reason", "INC-3").want(t, exitFailed, "", newer)
	if _, err := os.Stat(filepath.Join(p.blobs, key)); err != nil {
		t.Errorf("its body: %v", err)
	}
	if left, states := p.count(t, p.dead), p.rows(t, `select state from submission`); left != "2" || len(states) > 0 {
		t.Errorf("got %s letters and submissions %v, want both letters and none that has ended", left, states)
	}
}
