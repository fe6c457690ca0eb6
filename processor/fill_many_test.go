package processor_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/identifier"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

func organisations(n int) (orgs []string) {
	for i := 1000; len(orgs) < n; i++ {
		if o := fmt.Sprintf("800362%010d", i); identifier.IsHPIO(o) {
			orgs = append(orgs, o)
		}
	}
	return orgs
}

// TestManyShareAtOnce: everybody to whom a request about one patient is addressed at once reads the patient afterwards.
func TestManyShareAtOnce(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "p")))
	id := idOf(created[0])
	orgs := organisations(24)
	var all sync.WaitGroup
	for i, org := range orgs {
		m := f.write(1+i, "POST", "ServiceRequest", strings.Replace(serviceRequest("Patient/"+id, ""), recipient, org, 1))
		all.Go(func() {
			for try := 0; ; try++ {
				if _, err := f.Settle(t.Context(), m, 1); err == nil {
					return
				} else if try == 20 {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	got := value[[]string](t, f, `select readers from resource where id = $1::uuid`, id)
	slices.Sort(orgs)
	if !slices.Equal(got, orgs) {
		t.Errorf("%d readers, want %d: %v", len(got), len(orgs), got)
	}
}

// TestManyFillAtOnce: laboratories each take Tasks of one patient up while the sender changes the patient and the Tasks.
func TestManyFillAtOnce(t *testing.T) {
	f := newFixture(t)
	const n = 12
	entries := []string{entry("POST", "Patient", subject, patient("", "p"), "")}
	for range n {
		entries = append(entries, entry("POST", "Task", "", `{"resourceType":"Task","status":"requested","intent":"order","groupIdentifier":{"system":"urn:group","value":"g"},"for":{"reference":"`+subject+`"}}`, ""))
	}
	_, created := f.settle(t, f.transaction(0, "transaction", entries...))
	patientID := idOf(created[0])
	var tasks []string
	for _, c := range created[1:] {
		tasks = append(tasks, idOf(c))
	}
	orgs := organisations(4)
	var messages []*queue.Message
	k := 0
	for _, org := range orgs {
		for range 6 {
			pick := rand.Perm(n)[:3]
			var e []string
			for _, i := range pick {
				e = append(e, entry("PUT", "Task/"+tasks[i], "", `{"resourceType":"Task","id":"`+tasks[i]+`","status":"accepted","intent":"order","groupIdentifier":{"system":"urn:group","value":"g"},"for":{"reference":"Patient/`+patientID+`"},"owner":{"identifier":`+strings.Replace(hpioOfRecipient, recipient, org, 1)+`}}`, ""))
			}
			k++
			messages = append(messages, f.filling(org, f.transaction(k, "batch", e...)))
		}
	}
	for i := range 10 {
		k++
		messages = append(messages, f.write(k, "PUT", "Patient/"+patientID, patient(patientID, fmt.Sprint("p", i))))
	}
	rand.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, m := range messages {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for try := 0; ; try++ {
				if _, err := f.Settle(t.Context(), m, 1); err == nil {
					return
				} else if try == 30 {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	taken := 0
	for _, m := range messages {
		if m.Type != "batch" {
			continue
		}
		for _, a := range f.answers(t, m) {
			switch a.Status {
			case 200:
				taken++
			case 409:
			default:
				t.Errorf("got %d %s", a.Status, a.Outcome)
			}
		}
	}
	owners := value[[]string](t, f, `select array_agg(distinct owner order by owner) from resource where type = 'Task' and owner is not null`)
	readers := value[[]string](t, f, `select readers from resource where id = $1::uuid`, patientID)
	if !slices.Equal(owners, readers) {
		t.Errorf("owners %v, readers of the patient %v", owners, readers)
	}
	if got := value[int64](t, f, `select count(*) from resource r where type = 'Task' and owner is not null and not readers @> array[owner]`); got != 0 {
		t.Errorf("%d owners do not read their Task", got)
	}
	if got := value[int64](t, f, `select count(*) from (select 1 from (select id, version from resource union all select id, version from history) v group by id having count(*) <> max(version)) x`); got != 0 {
		t.Errorf("versions have gaps")
	}
	if taken == 0 {
		t.Error("nobody has taken a Task up")
	}
}
