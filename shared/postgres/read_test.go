package postgres_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/search"
)

const (
	sender    = "8003621566684455"
	recipient = "8003624900041689"
	unrelated = "8003629900040359"
)

func TestVersionJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 40e6, time.UTC)
	for _, test := range []struct{ meta, content, want string }{
		{"", "", `{"resourceType":"Patient","id":"7","meta":{"versionId":"2","lastUpdated":"2026-11-22T01:02:03.040Z"}}`},
		{`"profile":["p"]`, `"active":true`, `{"resourceType":"Patient","id":"7","meta":{"versionId":"2","lastUpdated":"2026-11-22T01:02:03.040Z","profile":["p"]},"active":true}`},
	} {
		v := postgres.Version{ID: "7", Type: "Patient", Number: 2, LastUpdated: at, Meta: test.meta, Content: test.content}
		if got := string(v.JSON()); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestReadIsForSenderAndAddressedReader(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := settle(t, url, 1, recipient)
	// Each layer holds alone: a superuser passes row-level security by, and the second run has no text.
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for org, want := range map[string]bool{sender: true, recipient: true, unrelated: false, "": false, "%": false} {
		for i, r := range s.Resources {
			for name, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
				got, found, err := db.Read(t.Context(), org, r.Type, r.ID)
				if err != nil || found != want || found && (got.ID != r.ID.String() || got.Content != r.Content || got.Number != 1) {
					t.Errorf("%s, organisation %q, entry %d: got %v, %v, %v, want found %v", name, org, i, got, found, err, want)
				}
			}
			seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.ReadSQL), []any{org, [16]byte(r.ID), r.Type})
			if err != nil || seen == 1 != want {
				t.Errorf("policy alone, organisation %q, entry %d: saw %d rows, %v, want seen %v", org, i, seen, err, want)
			}
		}
	}
	for name, read := range map[string]struct {
		resourceType string
		id           referral.UUID
	}{
		"another type": {"Task", s.Resources[0].ID},
		"another id":   {"Patient", referral.UUID{1}},
	} {
		if _, found, err := both.Read(t.Context(), sender, read.resourceType, read.id); err != nil || found {
			t.Errorf("%s: got found %v, %v", name, found, err)
		}
	}
}

func TestSubmissionIsForSenderAndAddressedReader(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	want := settle(t, url, 1, recipient)
	unaddressed := &want.Resources[1]
	execute(t, url, `update resource set readers = '{}' where id = $1`, [16]byte(unaddressed.ID))
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for org, resources := range map[string][]int{sender: {0, 1, 2}, recipient: {0, 2}, unrelated: nil, "": nil} {
		for name, db := range map[string]*postgres.DB{"text alone": text, "text and policy": both} {
			got, found, err := db.Submission(t.Context(), org, want.Digest)
			if err != nil || found != (resources != nil) {
				t.Errorf("%s, organisation %q: got found %v, %v, want %v", name, org, found, err, resources != nil)
			}
			if !found {
				continue
			}
			var versions []string
			for _, i := range resources {
				versions = append(versions, want.Resources[i].Type+"/"+want.Resources[i].ID.String()+"/_history/1")
			}
			service, priority, authored := want.Service, want.Priority, want.Authored
			if org != sender {
				service, priority, authored = "", "", "" // of a request that it may not read
			}
			if diff := cmp.Diff(postgres.Submission{
				Org: sender, Digest: want.Digest, AcceptedAt: want.AcceptedAt, State: want.State, SettledAt: got.SettledAt,
				Attempts: 1, Readers: want.Readers, BundleType: "transaction", Patient: want.Patient, Service: service,
				Priority: priority, Authored: authored, Resources: versions,
			}, got); diff != "" {
				t.Errorf("%s, organisation %q (-want +got):\n%s", name, org, diff)
			}
		}
		seen, err := both.As(t.Context(), org, postgres.WithoutTenantRule(postgres.SubmissionSQL), []any{org, want.Digest[:]})
		if err != nil || seen == 1 != (resources != nil) {
			t.Errorf("policy alone, organisation %q: saw %d rows, %v", org, seen, err)
		}
	}
}

// One Bundle may refer two patients to two organisations: neither learns what is the other's.
func TestSubmissionTellsAReaderOnlyWhatItMayRead(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := submission(t, sender, 1, recipient)
	second := submission(t, sender, 2, unrelated)
	s.Readers, s.Outcome = []string{recipient, unrelated}, `{"resourceType":"OperationOutcome"}`
	s.Resources = append(s.Resources, second.Resources...)
	store(t, open(t, url, postgres.RoleProcessor), s)
	type view struct {
		To                                            []string
		Patient, Service, Priority, Authored, Outcome string
		Resources                                     int
	}
	wants := map[string]view{
		sender:    {s.Readers, s.Patient, "Echocardiogram", "urgent", "2026-11-22", s.Outcome, 6},
		recipient: {[]string{recipient}, s.Patient, "Echocardiogram", "urgent", "2026-11-22", "", 3},
		unrelated: {[]string{unrelated}, "", "", "", "", "", 3},
	}
	text, both := open(t, url, "none"), open(t, url, postgres.RoleQuery)
	for org, want := range wants {
		for name, read := range map[string]func() (postgres.Submission, bool, error){
			"text alone":      func() (postgres.Submission, bool, error) { return text.Submission(t.Context(), org, s.Digest) },
			"text and policy": func() (postgres.Submission, bool, error) { return both.Submission(t.Context(), org, s.Digest) },
			"policy alone":    func() (postgres.Submission, bool, error) { return both.SubmissionByPolicy(t.Context(), org, s.Digest) },
		} {
			r, found, err := read()
			got := view{r.Readers, r.Patient, r.Service, r.Priority, r.Authored, r.Outcome, len(r.Resources)}
			if err != nil || !found {
				t.Fatalf("%s, organisation %q: got found %v, %v", name, org, found, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, organisation %q (-want +got):\n%s", name, org, diff)
			}
		}
	}
	// Who may read the patient but not the request knows that much.
	execute(t, url, `update resource set readers = $1 where id = $2`, []string{recipient, unrelated}, [16]byte(s.Resources[0].ID))
	if got, _, err := both.Submission(t.Context(), unrelated, s.Digest); err != nil || got.Patient != s.Patient || got.Service != "" {
		t.Errorf("reader of the patient: got patient %q, service %q, %v", got.Patient, got.Service, err)
	}
}

func TestStoreThatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	db := open(t, "postgres://nobody@127.0.0.1:1/none", postgres.RoleQuery)
	if _, _, err := db.Read(t.Context(), sender, "Patient", referral.UUID{}); !isUnavailable(err) {
		t.Errorf("Read: got %v", err)
	}
	if _, _, err := db.Submission(t.Context(), sender, referral.Digest{}); !isUnavailable(err) {
		t.Errorf("Submission: got %v", err)
	}
	if _, _, err := db.Search(t.Context(), sender, postgres.Search{Type: "Patient", Count: 1}); !isUnavailable(err) {
		t.Errorf("Search: got %v", err)
	}
	if _, err := db.List(t.Context(), sender, postgres.List{Count: 1}); !isUnavailable(err) {
		t.Errorf("List: got %v", err)
	}
}

// settle stores submission n of the sender: a Patient, a ServiceRequest and a Task for it, addressed to readers.
func settle(t testing.TB, url string, n int, readers ...string) *postgres.Settlement {
	t.Helper()
	return settleFrom(t, open(t, url, postgres.RoleProcessor), sender, n, readers...)
}

func settleFrom(t testing.TB, db *postgres.DB, org string, n int, readers ...string) *postgres.Settlement {
	t.Helper()
	return store(t, db, submission(t, org, n, readers...))
}

func store(t testing.TB, db *postgres.DB, s *postgres.Settlement) *postgres.Settlement {
	t.Helper()
	if settled, err := db.Settle(t.Context(), s); err != nil || !settled[0] {
		t.Fatalf("settle: %v, %v", settled, err)
	}
	return s
}

func submission(t testing.TB, org string, n int, readers ...string) *postgres.Settlement {
	t.Helper()
	s := &postgres.Settlement{
		Org: org, Client: "test", AcceptedAt: time.UnixMilli(1790000000000 + int64(n)).UTC(), RequestID: "r", KeyKind: referral.KeyHeader,
		State: referral.Completed, Attempts: 1, Readers: append([]string{}, readers...), BundleType: "transaction",
		Service: "Echocardiogram", Priority: "urgent", Authored: "2026-11-22", Content: []byte("zstd"), Encoding: "zstd",
	}
	binary.BigEndian.PutUint64(s.Digest[:], uint64(n))
	copy(s.Digest[8:], org)
	s.Key = [32]byte(append(s.Digest[:], s.Digest[:]...))
	identifier := fmt.Sprintf(`"identifier":[{"system":"http://example.org/%s","value":"%d"}]`, org, n)
	patient := resourceID(org, n, 0)
	s.Patient, s.Request = "Patient/"+patient.String(), "ServiceRequest/"+resourceID(org, n, 1).String()
	for i, r := range []struct{ resourceType, content string }{
		{"Patient", identifier},
		{"ServiceRequest", identifier + `,"status":"active","subject":{"reference":"` + s.Patient + `"}`},
		{"Task", identifier + `,"for":{"reference":"` + s.Patient + `"}`},
	} {
		resource, err := fhir.Parse([]byte(`{"resourceType":"`+r.resourceType+`",`+r.content+`}`), r.resourceType, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		s.Resources = append(s.Resources, postgres.Resource{
			ID: resourceID(org, n, i), Type: r.resourceType, Readers: readers, Content: r.content,
			Keys: search.Index(resource, func(reference string) string { return reference }),
		})
	}
	return s
}

// resourceID is a UUIDv7 of the submission's own millisecond.
func resourceID(org string, n, entry int) referral.UUID {
	var id referral.UUID
	binary.BigEndian.PutUint64(id[:], uint64(1790000000000+n)<<16)
	id[6], id[7], id[8] = 0x70, byte(entry), 0x80
	copy(id[9:], org[len(org)-7:])
	return id
}

func open(t testing.TB, url, role string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(postgres.Config{URL: url, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func versionIDs(found []postgres.Version) []string {
	var ids []string
	for _, v := range found {
		ids = append(ids, v.ID)
	}
	return ids
}
