package dlq_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// TestRestore puts back what the queue has forgotten, as it was: all that is wanted, once however often, and the bodies
// that letters claim.
func TestRestore(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	p.fill(t, 13)
	claimed := envelope(orgB, 20, time.Now())
	claim, object := claimed.CheckIn()
	lost := envelope(orgB, 21, time.Now())
	lost.CheckIn()
	for _, body := range []string{encode(t, claimed), encode(t, lost), "no <envelope> \u00fc"} {
		p.put(t, body, orgB, nil)
	}
	archive := dlq.Archive{Store: newMemory(), Claims: newMemory()}
	if err := archive.Claims.Put(t.Context(), claim, object); err != nil {
		t.Fatal(err)
	}
	archived := func() {
		t.Helper()
		if err := p.dead.Archive(t.Context(), dlq.Filter{}, 0, archive, func(dlq.Archived) {}); err != nil {
			t.Fatal(err)
		}
	}
	archived()
	p.want(t, p.dead.URL, 16) // and forgets them
	if err := archive.Claims.Delete(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	all := dlq.Restoring{From: archive, Rate: 500, Wanted: func(_ context.Context, k dlq.Kept) (bool, error) { return k.ID != "submission-12", nil }}
	want := func(r dlq.Restoring, want dlq.Restored) {
		t.Helper()
		got, err := p.dead.Restore(t.Context(), r)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("restored (-want +got):\n%s%v", diff, err)
		}
	}
	dry, bugs, some := all, all, all
	dry.Dry, bugs.Filter, some.Limit = true, dlq.Filter{Class: "bug"}, 2
	want(dry, dlq.Restored{Restored: 15, Unwanted: 1, Bodiless: 1})
	if _, err := archive.Claims.Get(t.Context(), claim); err == nil {
		t.Error("a dry run has put a body back")
	}
	want(bugs, dlq.Restored{Restored: 4, Unwanted: 1})
	if got, err := p.dead.Restore(t.Context(), some); err != nil || got.Restored != 2 {
		t.Errorf("got %+v, error %v; want two", got, err)
	}
	want(all, dlq.Restored{Restored: 9, There: 6, Unwanted: 1, Bodiless: 1})
	want(all, dlq.Restored{There: 15, Unwanted: 1})
	archived() // by other message ids: each is in the archive twice
	if got, err := archive.Claims.Get(t.Context(), claim); err != nil || string(got) != string(object) {
		t.Errorf("got %d bytes, error %v; want the body back", len(got), err)
	}
	want(all, dlq.Restored{There: 30, Unwanted: 1})
	p.want(t, p.dead.URL, 15)
	want(all, dlq.Restored{Restored: 15, There: 15, Unwanted: 1, Bodiless: 1})
	p.want(t, p.dead.URL, 15)
}

// TestRestoreFails, and says why.
func TestRestoreFails(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	yes := func(context.Context, dlq.Kept) (bool, error) { return true, nil }
	hash := strings.Repeat("0", 64)
	claimed := envelope(orgB, 1, time.Now())
	claim, object := claimed.CheckIn()
	p.put(t, encode(t, claimed), orgB, nil)
	store, claims := newMemory(), newMemory()
	claims.objects[claim] = string(object)
	if err := p.dead.Archive(t.Context(), dlq.Filter{}, 0, dlq.Archive{Store: store, Claims: claims}, func(dlq.Archived) {}); err != nil {
		t.Fatal(err)
	}
	p.want(t, p.dead.URL, 1)
	if _, err := p.dead.Restore(t.Context(), dlq.Restoring{From: dlq.Archive{Store: store}, Rate: 1, Wanted: yes}); err == nil || !strings.Contains(err.Error(), "REFERRAL_BLOB_DIR") {
		t.Errorf("got error %v, want that there is no place for a body", err)
	}
	down := errors.New("the store is down")
	no := func(context.Context, dlq.Kept) (bool, error) { return false, down }
	if _, err := p.dead.Restore(t.Context(), dlq.Restoring{From: dlq.Archive{Store: store}, Rate: 1, Wanted: no}); !errors.Is(err, down) {
		t.Errorf("got error %v, want %v", err, down)
	}
	for _, content := range []string{"", "{}", `{"v":2}`} {
		damaged := newMemory()
		maps.Copy(damaged.objects, store.objects)
		damaged.objects["dead-letters/x/y/"+hash] = content
		got, err := p.dead.Restore(t.Context(), dlq.Restoring{From: dlq.Archive{Store: damaged, Claims: claims}, Rate: 1, Dry: true, Wanted: yes})
		if got.Restored != 1 {
			t.Errorf("%q: got %+v, want the other letter", content, got)
		}
		if err == nil || !strings.Contains(err.Error(), "not a letter") {
			t.Errorf("%q: got error %v, want that it is no letter", content, err)
		}
	}
	if _, err := (dlq.Archive{Store: store}).Read(t.Context(), "dead-letters/x/y/"+hash); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
	p.want(t, p.dead.URL, 0)
}
