package dlq_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// memory is a store that may damage what it is given.
type memory struct {
	objects map[string]string
	damage  bool
}

func (m *memory) Put(_ context.Context, key string, content []byte) error {
	m.objects[key] = string(content)
	if m.damage {
		m.objects[key] += "x"
	}
	return nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	content, ok := m.objects[key]
	if !ok {
		return nil, blob.ErrNotFound
	}
	return []byte(content), nil
}

func (m *memory) List(_ context.Context, prefix string, each func(blob.Object) error) error {
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(key, prefix) {
			if err := each(blob.Object{Key: key}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	delete(m.objects, key)
	return nil
}

func newMemory() *memory { return &memory{objects: map[string]string{}} }

// TestArchive keeps all of a letter and the body that it claims, under the same names each time.
func TestArchive(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	claimed := envelope(orgA, 1, time.Now())
	claim, body := claimed.CheckIn()
	lost := envelope(orgB, 2, time.Now())
	lost.CheckIn()
	forged := envelope("../"+orgA, 3, time.Now())
	p.put(t, encode(t, envelope(orgA, 0, time.Now())), orgA, map[string]string{"Class": "bug"})
	for _, m := range []string{encode(t, claimed), encode(t, lost), encode(t, forged), "no <envelope> \u00fc"} {
		p.put(t, m, orgA, nil)
	}
	claims, store := newMemory(), newMemory()
	claims.objects[claim] = string(body)
	all := map[string]dlq.Archived{}
	kept := func(a dlq.Archived) { all[a.ID] = a }
	for range 2 {
		if err := p.dead.Archive(t.Context(), dlq.Filter{}, 0, dlq.Archive{Store: store, Claims: claims}, kept); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != 5 || len(store.objects) != 6 {
		t.Fatalf("got letters %v and objects %v; want 5 and a claimed body", all, slices.Sorted(maps.Keys(store.objects)))
	}
	bodies := map[string]bool{}
	for id, a := range all {
		var r struct {
			Body              string
			MessageGroupID    string
			AWSTraceHeader    string
			MessageAttributes map[string]struct{ DataType, StringValue string }
		}
		if err := json.Unmarshal([]byte(store.objects[a.Key]), &r); err != nil || r.MessageGroupID != orgA || r.AWSTraceHeader != "Root=1-"+orgA || r.MessageAttributes["Digest"].DataType != "Binary" {
			t.Errorf("%s: got %+v, error %v", id, r, err)
		}
		bodies[r.Body] = true
		wantOrg := map[string]string{"submission-0": orgA, "submission-1": orgA, "submission-2": orgB}[id]
		if wantOrg == "" {
			wantOrg = "unknown"
		}
		if !strings.HasPrefix(a.Key, "dead-letters/"+wantOrg+"/"+id+"/") || strings.Contains(a.Key, "..") {
			t.Errorf("%s: got key %s", id, a.Key)
		}
	}
	for body := range p.sent {
		if !bodies[body] {
			t.Errorf("%.60s is not in the archive", body)
		}
	}
	if a := all["submission-1"]; store.objects[a.Claim] != string(body) || a.LostClaim {
		t.Errorf("got %+v, want its body beside it", a)
	}
	if a := all["submission-2"]; a.Claim != "" || !a.LostClaim {
		t.Errorf("got %+v, want that its claim is lost", a)
	}
	p.want(t, p.dead.URL, 5)
}

// TestDiscardKeepsWhatIsNotArchived, or whose submission is not settled.
func TestDiscardKeepsWhatIsNotArchived(t *testing.T) {
	t.Parallel()
	client, _ := serve(t)
	p := newPost(t, client, "x")
	p.fill(t, 4)
	claimed := envelope(orgB, 9, time.Now())
	claimed.CheckIn()
	p.put(t, encode(t, claimed), orgB, nil)
	ended := 0
	end := func(context.Context, *dlq.Letter) error { ended++; return nil }
	none := func(a dlq.Archived) { t.Errorf("%s is said to be archived", a.ID) }
	damaging := newMemory()
	damaging.damage = true
	if err := p.dead.Discard(t.Context(), dlq.Filter{Org: orgA}, 0, dlq.Archive{Store: damaging}, end, none); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("got error %v, want that the archive is damaged", err)
	}
	if err := p.dead.Discard(t.Context(), dlq.Filter{Org: orgB}, 0, dlq.Archive{Store: newMemory()}, end, none); err == nil || !strings.Contains(err.Error(), "REFERRAL_BLOB_DIR") {
		t.Errorf("got error %v, want that the claimed body is nowhere to be found", err)
	}
	failing := errors.New("no room")
	if err := p.dead.Discard(t.Context(), dlq.Filter{}, 0, dlq.Archive{Store: full{newMemory(), failing}, Claims: newMemory()}, end, none); !errors.Is(err, failing) {
		t.Errorf("got error %v, want %v", err, failing)
	}
	discarded := 0
	count := func(dlq.Archived) { discarded++ }
	down := func(context.Context, *dlq.Letter) error { return failing }
	if err := p.dead.Discard(t.Context(), dlq.Filter{Class: "bug"}, 0, dlq.Archive{Store: newMemory()}, down, count); !errors.Is(err, failing) {
		t.Errorf("got error %v, want %v", err, failing)
	}
	discarded = 0
	if err := p.dead.Discard(t.Context(), dlq.Filter{Class: "bug"}, 0, dlq.Archive{Store: newMemory()}, end, count); err != nil || discarded != 2 || ended != 2 {
		t.Errorf("got %d discarded, %d ended, error %v; want 2", discarded, ended, err)
	}
	p.want(t, p.dead.URL, 3)
}

// full is a store that takes nothing.
type full struct {
	*memory
	error
}

func (f full) Put(context.Context, string, []byte) error { return f.error }
