package processor_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// write is what ingest makes of a request for one resource, accepted n ms after others.
func (f *fixture) write(n int, method, url, body string, conditions ...string) *queue.Message {
	m := f.message(referral.KeyRandom, fmt.Sprint(n, method, url), body)
	m.Type = map[string]string{"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
	m.AcceptedAt = acceptedAt.Add(time.Duration(n) * time.Millisecond)
	m.Request.Method, m.Request.URL = method, "/fhir/"+url
	copy(m.Request.Conditions[:], conditions)
	m.ID = f.keys.Mint(referral.Submission{Org: sender, AcceptedAt: m.AcceptedAt, Digest: f.keys.Digest(m.Request)})
	return m
}

// transaction is a message of a Bundle of these entries, accepted n ms after others.
func (f *fixture) transaction(n int, kind string, entries ...string) *queue.Message {
	m := f.message(referral.KeyRandom, fmt.Sprint(n), `{"resourceType":"Bundle","type":"`+kind+`","entry":[`+strings.Join(entries, ",")+`]}`)
	m.Type, m.AcceptedAt = kind, acceptedAt.Add(time.Duration(n)*time.Millisecond)
	m.ID = f.keys.Mint(referral.Submission{Org: sender, AcceptedAt: m.AcceptedAt, Digest: f.keys.Digest(m.Request)})
	return m
}

// settle settles m and returns what became of it.
func (f *fixture) settle(t testing.TB, m *queue.Message) (referral.State, []referral.Answer) {
	t.Helper()
	state, err := f.Settle(t.Context(), m, 1)
	if err != nil {
		t.Fatalf("%s %s: %v", m.Request.Method, m.Request.URL, err)
	}
	return state, f.answers(t, m)
}

// answers are those that the store has of m; of what was only created the versions.
func (f *fixture) answers(t testing.TB, m *queue.Message) []referral.Answer {
	t.Helper()
	digest := f.keys.Digest(m.Request)
	text := value[string](t, f, `select coalesce(answers, (select jsonb_agg(jsonb_build_object('status', 201, 'version', v))::text
		from unnest(resources) v), '[]') from submission where d = $1`, digest[:])
	var answers []referral.Answer
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

func patient(id, family string) string {
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return `{"resourceType":"Patient",` + id + `"identifier":[{"system":"urn:x","value":"` + family + `"}],"name":[{"family":"` + family + `"}]}`
}

func statuses(answers []referral.Answer) []int {
	var got []int
	for _, a := range answers {
		got = append(got, a.Status)
	}
	return got
}

// idOf is the id in Type/id/_history/version.
func idOf(a referral.Answer) string { return strings.Split(a.Version, "/")[1] }

// TestSingleResources follows one resource through all that may be asked of it.
func TestSingleResources(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "a")))
	id := idOf(created[0])
	for n, step := range []struct {
		method, url, body string
		conditions        []string
		want              int
		version           string
	}{
		{"PUT", "Patient/" + id, patient(id, "b"), nil, 200, "2"},
		{"PUT", "Patient/" + id, patient(id, "c"), []string{`W/"1"`}, 412, ""},
		{"PUT", "Patient/" + id, patient(id, "c"), []string{`W/"2"`}, 200, "3"},
		{"PUT", "Patient/" + id, patient(id, "c"), []string{"", "*"}, 412, ""},
		{"PUT", "Observation/" + id, `{"resourceType":"Observation","id":"` + id + `"}`, nil, 405, ""},
		{"PUT", "Patient/0197a000-0000-7000-8000-000000000000", patient("0197a000-0000-7000-8000-000000000000", "d"), nil, 405, ""},
		{"PUT", "Patient?identifier=urn:x|c", patient("", "e"), nil, 200, "4"},
		{"PUT", "Patient?identifier=urn:x|c", patient("0197a000-0000-7000-8000-000000000000", "e"), nil, 405, ""},
		{"PUT", "Patient?identifier=urn:x|e", patient("0197a000-0000-7000-8000-000000000000", "e"), nil, 400, ""},
		{"POST", "Patient", patient("", "e"), []string{"", "", "identifier=urn:x|e"}, 200, "4"},
		{"POST", "Patient", patient("", "e"), nil, 201, "1"},
		{"POST", "Patient", patient("", "e"), []string{"", "", "identifier=urn:x|e"}, 412, ""},
		{"PUT", "Patient?identifier=urn:x|e", patient("", "e"), nil, 412, ""},
		{"PUT", "Patient?identifier=urn:x|nobody", patient("", "e"), []string{`W/"1"`}, 412, ""},
		{"POST", "Patient", patient("", "e"), []string{"", "", "?"}, 400, ""},
		{"DELETE", "Patient?identifier=urn:x|e", "", nil, 412, ""},
		{"PATCH", "Patient/" + id, `[{"op":"replace","path":"/name/0/family","value":"g"}]`, []string{`W/"4"`}, 200, "5"},
		{"PATCH", "Patient/" + id, `[{"op":"replace","path":"/birthDate","value":"g"}]`, nil, 422, ""},
		{"PATCH", "Patient/" + id, `[{"op":"add","path":"/birthDate","value":"no date"}]`, nil, 422, ""},
		{"PATCH", "Patient?identifier=urn:x|nobody", `[{"op":"remove","path":"/name"}]`, nil, 404, ""},
		{"PATCH", "Patient?identifier=urn:x|e", `[{"op":"remove","path":"/name"}]`, nil, 412, ""},
		{"DELETE", "Patient?identifier=urn:x|nobody", "", nil, 204, ""},
		{"DELETE", "Patient/" + id, "", []string{`W/"3"`}, 412, ""},
		{"DELETE", "Patient/" + id, "", nil, 204, ""},
		{"DELETE", "Patient/" + id, "", nil, 204, ""},
		{"PATCH", "Patient/" + id, `[{"op":"remove","path":"/name"}]`, nil, 410, ""},
		{"PUT", "Patient/" + id, patient(id, "f"), nil, 201, "7"},
		{"PUT", "Patient?identifier=urn:x|new", patient("", "new"), nil, 201, "1"},
	} {
		_, got := f.settle(t, f.write(n+1, step.method, step.url, step.body, step.conditions...))
		version := ""
		if len(got) == 1 && got[0].Version != "" {
			version = strings.Split(got[0].Version, "/")[3]
		}
		if diff := cmp.Diff([]int{step.want}, statuses(got)); diff != "" || version != step.version {
			t.Errorf("step %d, %s %s: version %q, want %q; status (-want +got):\n%s", n, step.method, step.url, version, step.version, diff)
		}
	}
	if got := value[string](t, f, `select string_agg(version::text || case when deleted then 'd' else '' end, ' ' order by version) from history where id = $1::uuid`, id); got != "1 2 3 4 5 6d" {
		t.Errorf("got history %q, want 1 2 3 4 5 6d", got)
	}
	if got := value[int64](t, f, `select count(*) from idx i where h >= 0 and not exists (select from resource r where r.vid = i.vid)`); got != 0 {
		t.Errorf("got %d index rows of versions that are gone, want 0", got)
	}
}

func entry(method, url, fullURL, resource, more string) string {
	if fullURL != "" {
		fullURL = `"fullUrl":"` + fullURL + `",`
	}
	if resource != "" {
		resource = `"resource":` + resource + `,`
	}
	return `{` + fullURL + resource + `"request":{"method":"` + method + `","url":"` + url + `"` + more + `}}`
}

const subject = "urn:uuid:5b0d2a3a-6c1f-4d7e-9a51-000000000001"

func observation(reference string) string {
	return `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"` + reference + `"}}`
}

func TestTransactionRules(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "a"), ""), entry("POST", "Patient", "", patient("", "b"), "")))
	a, b := idOf(created[0]), idOf(created[1])

	// The order of entries is no matter: the delete comes first, the GET sees the update, references go to what was found.
	state, got := f.settle(t, f.transaction(1, "transaction",
		entry("GET", "Patient/"+a, "", "", ""),
		entry("PUT", "Patient/"+a, "", patient(a, "a2"), ""),
		entry("POST", "Observation", "", observation(subject), ""),
		entry("POST", "Patient", subject, patient("", "a2"), `,"ifNoneExist":"identifier=urn:x|a"`),
		entry("POST", "Observation", "", observation("Patient?identifier=urn:x|a2"), ""),
		entry("DELETE", "Patient/"+b, "", "", ""),
		entry("GET", "Patient?identifier=a2", "", "", ""),
	))
	if state != referral.Completed {
		t.Fatalf("got %s %s", state, got[0].Outcome)
	}
	if diff := cmp.Diff([]int{200, 200, 201, 200, 201, 204, 200}, statuses(got)); diff != "" {
		t.Fatalf("statuses (-want +got):\n%s", diff)
	}
	if want := "Patient/" + a + "/_history/2"; got[0].Version != want || !got[0].Read || got[6].Matches[0] != want || len(got[6].Matches) != 1 {
		t.Errorf("got %+v and %+v, want %s read and found", got[0], got[6], want)
	}
	for _, i := range []int{2, 4} {
		if content := value[string](t, f, `select content from resource where id = $1::uuid`, idOf(got[i])); !strings.Contains(content, `"reference":"Patient/`+a+`"`) {
			t.Errorf("entry %d: got %s, want a reference to Patient/%s", i, content, a)
		}
	}

	// What cannot be leaves nothing behind.
	before := value[int64](t, f, `select count(*) from resource`)
	for name, test := range map[string]struct {
		want    int
		entries []string
	}{
		"one resource twice":  {422, []string{entry("PUT", "Patient/"+a, "", patient(a, "x"), ""), entry("PUT", "Patient?identifier=urn:x|a2", "", patient("", "x"), "")}},
		"another version":     {412, []string{entry("POST", "Patient", "", patient("", "x"), ""), entry("PUT", "Patient/"+a, "", patient(a, "x"), `,"ifMatch":"W/\"1\""`)}},
		"a reference to none": {412, []string{entry("POST", "Observation", "", observation("Patient?identifier=urn:x|nobody"), "")}},
		"nothing to read":     {404, []string{entry("POST", "Patient", "", patient("", "x"), ""), entry("GET", "Patient/0197a000-0000-7000-8000-000000000000", "", "", "")}},
		"nothing to update":   {405, []string{entry("POST", "Patient", "", patient("", "x"), ""), entry("PUT", "Patient/0197a000-0000-7000-8000-000000000000", "", patient("0197a000-0000-7000-8000-000000000000", "x"), "")}},
	} {
		state, got := f.settle(t, f.transaction(len(name)+100, "transaction", test.entries...))
		if state != referral.Rejected || len(got) != 1 || got[0].Status != test.want {
			t.Errorf("%s: got %s, %+v, want %d", name, state, got, test.want)
		}
	}
	if after := value[int64](t, f, `select count(*) from resource`); after != before {
		t.Errorf("got %d resources after rejections, want %d", after, before)
	}

	// Entries of a batch fail alone.
	state, got = f.settle(t, f.transaction(2, "batch",
		entry("PUT", "Patient/"+a, "", patient(a, "a3"), `,"ifMatch":"W/\"1\""`),
		entry("POST", "Patient", "", patient("", "c"), ""),
		entry("PUT", "Patient/"+a, "", patient(a, "a4"), ""),
		entry("DELETE", "Patient/"+a, "", "", `,"ifMatch":"W/\"2\""`),
		entry("GET", "Patient/"+b, "", "", ""),
	))
	if diff := cmp.Diff([]int{409, 201, 409, 204, 410}, statuses(got)); state != referral.Completed || diff != "" {
		t.Errorf("a batch: %s (-want +got):\n%s", state, diff)
	}
}

// TestConcurrentConditionalCreatesMakeOne: 64 senders look for a patient whom none of them finds, and each is told of
// the same one, whichever identifier it looked by.
func TestConcurrentConditionalCreatesMakeOne(t *testing.T) {
	f := newFixture(t)
	both := `{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"1"},{"system":"urn:y","value":"2"}]}`
	ids := make([]string, 64)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			by := []string{"urn:x|1", "urn:y|2", "2"}[i%3]
			m := f.transaction(i, "transaction", entry("POST", "Patient", subject, both, `,"ifNoneExist":"identifier=`+by+`"`), entry("POST", "Observation", "", observation(subject), ""))
			if state, err := f.Settle(t.Context(), m, 1); err != nil || state != referral.Completed {
				t.Errorf("got %q, %v", state, err)
				return
			}
			ids[i] = idOf(f.answers(t, m)[0])
		})
	}
	wg.Wait()
	if got := value[int64](t, f, `select count(*) from resource where type = 'Patient'`); got != 1 {
		t.Errorf("got %d patients, want 1", got)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("one answer names %s, another %s", ids[0], id)
		}
	}
	if got := value[int64](t, f, `select count(*) from resource where type = 'Observation' and content like '%Patient/' || $1 || '%'`, ids[0]); got != 64 {
		t.Errorf("got %d observations of the patient, want 64", got)
	}
}

// TestLaterAcceptanceWins delivers four requests that depend on each other in every order, each again until it has
// settled.
func TestLaterAcceptanceWins(t *testing.T) {
	orders := permutations([]int{0, 1, 2, 3})
	f := newFixture(t)
	f.Now = func() time.Time { return acceptedAt.Add(time.Minute) }
	for n, order := range orders {
		create := f.write(n*10, "POST", "Patient", patient("", fmt.Sprint("p", n)))
		id := f.keys.ResourceID(sender, f.keys.Digest(create.Request), create.AcceptedAt, 0).String()
		messages := []*queue.Message{
			create,
			f.write(n*10+1, "PUT", "Patient/"+id, patient(id, "second")),
			f.write(n*10+2, "DELETE", "Patient/"+id, ""),
			f.write(n*10+3, "PUT", "Patient/"+id, patient(id, "last")),
		}
		settled := make([]bool, len(messages))
		for range len(messages) {
			for _, i := range order {
				if !settled[i] {
					_, err := f.Settle(t.Context(), messages[i], 1)
					settled[i] = err == nil
				}
			}
		}
		for i, ok := range settled {
			if !ok {
				t.Fatalf("order %v: request %d did not settle", order, i)
			}
		}
		if content := value[string](t, f, `select content from resource where id = $1::uuid`, id); !strings.Contains(content, `"last"`) {
			t.Errorf("order %v: got %s, want the one accepted last", order, content)
		}
		for i, m := range messages[1:3] {
			switch got := f.answers(t, m)[0].Status; got {
			case 200, 201, 204, 409:
			default:
				t.Errorf("order %v: request %d ended with %d, want done or superseded", order, i+1, got)
			}
		}
	}
}

func permutations(of []int) [][]int {
	if len(of) < 2 {
		return [][]int{of}
	}
	var all [][]int
	for i := range of {
		rest := append(append([]int{}, of[:i]...), of[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]int{of[i]}, p...))
		}
	}
	return all
}

// TestTaskThatNamesItsOwnerLaterSharesTheRequest: what is stored already is read by whom a later Task names.
func TestTaskThatNamesItsOwnerLaterSharesTheRequest(t *testing.T) {
	f := newFixture(t)
	_, got := f.settle(t, f.transaction(0, "transaction",
		entry("POST", "Patient", subject, patient("", "a"), ""),
		entry("POST", "ServiceRequest", "", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"`+subject+`"}}`, ""),
		entry("POST", "Organization", "", `{"resourceType":"Organization","identifier":[{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"`+recipient+`"}],"name":"x"}`, ""),
		entry("POST", "Observation", "", observation(subject), ""),
	))
	task := `{"resourceType":"Task","status":"requested","intent":"order","focus":{"reference":"ServiceRequest/` + idOf(got[1]) + `"},"owner":{"reference":"Organization/` + idOf(got[2]) + `"}}`
	if state, answers := f.settle(t, f.write(1, "POST", "Task", task)); state != referral.Completed {
		t.Fatalf("got %s: %s", state, answers[0].Outcome)
	}
	if got := value[string](t, f, `select string_agg(type, ' ' order by type) from resource where readers = array[$1::text]`, recipient); got != "Organization Patient ServiceRequest Task" {
		t.Errorf("the owner reads %s, want Organization Patient ServiceRequest Task", got)
	}
	for _, wrong := range []string{`"focus":{"reference":"ServiceRequest/0197a000-0000-7000-8000-000000000000"}`, `"for":{"reference":"Patient/1"}`} {
		if _, answers := f.settle(t, f.write(len(wrong), "POST", "Task", `{"resourceType":"Task","status":"requested","intent":"order",`+wrong+`}`)); answers[0].Status != 422 {
			t.Errorf("%s: got %+v, want 422", wrong, answers)
		}
	}
}

// TestPatchesOfOneResource: all of a batch but the first are refused before the resource is patched, parsed and checked anew:
// with a thousand of them of a large one there would be no time left for an answer, at any delivery.
func TestPatchesOfOneResource(t *testing.T) {
	f := newFixture(t)
	names := strings.Repeat(`{"family":"x","given":["y"]},`, 5_000)
	_, created := f.settle(t, f.write(0, "POST", "Patient", `{"resourceType":"Patient","name":[`+names[:len(names)-1]+`]}`))
	const patches = 200
	change := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` +
		base64.StdEncoding.EncodeToString([]byte(`[{"op":"add","path":"/active","value":true}]`)) + `"}`
	entries := slices.Repeat([]string{entry("PATCH", "Patient/"+idOf(created[0]), "", change, "")}, patches)
	m := f.transaction(1, "batch", entries...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, answers := f.settle(t, m)
	runtime.ReadMemStats(&after)
	if got := statuses(answers); got[0] != 200 || slices.ContainsFunc(got[1:], func(s int) bool { return s != 409 }) || len(got) != patches {
		t.Errorf("got %v, want the first patched and conflicts", got)
	}
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 100 {
		t.Errorf("took %d MiB, want what one patch takes", took)
	}
}

// BenchmarkThousandEntries settles a thousand conditional creations at once.
func BenchmarkThousandEntries(b *testing.B) {
	f := newFixture(b)
	n := 0
	for b.Loop() {
		n++
		var entries []string
		for i := range 1000 {
			key := fmt.Sprint("k", n, "-", i)
			entries = append(entries, entry("POST", "Patient", "", patient("", key), `,"ifNoneExist":"identifier=urn:x|`+key+`"`))
		}
		m := f.transaction(n, "transaction", entries...)
		if state, err := f.Settle(context.Background(), m, 1); err != nil || state != referral.Completed {
			b.Fatal(state, err)
		}
	}
}

// TestRepeatedServiceRequestWarns: both are kept, and the second one's status says so; an update is no repetition.
func TestRepeatedServiceRequestWarns(t *testing.T) {
	f := newFixture(t)
	request := func(id, status string) string {
		return `{"resourceType":"ServiceRequest",` + id + `"identifier":[{"system":"urn:x","value":"7"}],"status":"` + status + `","intent":"order"}`
	}
	outcome := func(m *queue.Message) string {
		digest := f.keys.Digest(m.Request)
		return value[string](t, f, `select coalesce(outcome, '') from submission where d = $1`, digest[:])
	}
	first, second := f.write(0, "POST", "ServiceRequest", request("", "active")), f.write(1, "POST", "ServiceRequest", request("", "active"))
	_, created := f.settle(t, first)
	f.settle(t, second)
	if got := outcome(first); got != "" {
		t.Errorf("the first: got %s, want no outcome", got)
	}
	if got := outcome(second); !strings.Contains(got, "service-request-repeated") {
		t.Errorf("the second: got %q, want a warning", got)
	}
	id := idOf(created[0])
	revoked := f.write(2, "PUT", "ServiceRequest/"+id, request(`"id":"`+id+`",`, "revoked"))
	if _, got := f.settle(t, revoked); got[0].Status != 200 || outcome(revoked) != "" {
		t.Errorf("an update: got %+v, %s; want 200 without a warning", got, outcome(revoked))
	}
}

// by makes m one of another organisation.
func (f *fixture) by(org string, m *queue.Message) *queue.Message {
	m.Request.Org, m.Client = org, "another"
	m.ID = f.keys.Mint(referral.Submission{Org: org, AcceptedAt: m.AcceptedAt, Digest: f.keys.Digest(m.Request)})
	return m
}

// TestOwnerOfATaskUpdatesIt and nothing else of the sender's; what was asked of whom stays, and nobody else comes to
// read it.
func TestOwnerOfATaskUpdatesIt(t *testing.T) {
	f := newFixture(t)
	const other = "8003629900040359"
	owned := func(status, more string) string {
		return `{"resourceType":"Task"` + more + `,"status":"` + status + `","intent":"order","for":{"reference":"PATIENT"},"owner":{"identifier":{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"` + recipient + `"}}}`
	}
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", subject, patient("", "a"), ""),
		entry("POST", "Task", "", strings.Replace(owned("requested", ""), "PATIENT", subject, 1), "")))
	patientID, id := idOf(created[0]), idOf(created[1])
	task := func(status, more string) string {
		return strings.Replace(owned(status, `,"id":"`+id+`"`+more), "PATIENT", "Patient/"+patientID, 1)
	}
	for n, step := range []struct {
		org, method, url, body string
		want                   int
	}{
		{recipient, "PUT", "Task/" + id, task("accepted", ""), 200},
		{recipient, "PATCH", "Task/" + id, `[{"op":"replace","path":"/status","value":"completed"}]`, 200},
		{recipient, "PUT", "Task/" + id, strings.Replace(task("completed", ""), recipient, other, 1), 403},
		{recipient, "PUT", "Task/" + id, strings.Replace(task("completed", ""), "Patient/"+patientID, "Patient/0197a000-0000-7000-8000-000000000000", 1), 403},
		{recipient, "PATCH", "Task/" + id, `[{"op":"remove","path":"/owner"}]`, 403},
		{recipient, "DELETE", "Task/" + id, "", 204},
		{recipient, "PUT", "Patient/" + patientID, patient(patientID, "b"), 405},
		{recipient, "PUT", "Task?_id=" + id, task("failed", ""), 405},
		{other, "PUT", "Task/" + id, task("failed", ""), 405},
		{sender, "PUT", "Task/" + id, strings.Replace(task("cancelled", ""), recipient, other, 1), 200},
		{recipient, "PUT", "Task/" + id, task("failed", ""), 405},
		{other, "PATCH", "Task/" + id, `[{"op":"replace","path":"/status","value":"rejected"}]`, 200},
	} {
		m := f.by(step.org, f.write(n+1, step.method, step.url, step.body))
		if _, got := f.settle(t, m); got[0].Status != step.want {
			t.Errorf("step %d, %s by %s: got %d %s, want %d", n, step.method, step.org, got[0].Status, got[0].Outcome, step.want)
		}
	}
	if got := value[string](t, f, `select org || ' ' || version || ' ' || array_to_string(readers, ' ') || ' ' || owner from resource where type = 'Task'`); got != sender+" 5 "+recipient+" "+other+" "+other {
		t.Errorf("got %s, want the sender's Task in version 5, read by both owners, and the last one's", got)
	}
	if got := value[int64](t, f, `select count(*) from submission where $1 = any (readers) and org <> $1`, sender); got != 3 {
		t.Errorf("the sender is told of %d updates by owners, want 3", got)
	}
}

// TestConditionalReferencesReach: whom and what a referral names by search criteria is addressed and shared like any other.
func TestConditionalReferencesReach(t *testing.T) {
	f := newFixture(t)
	f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", "", patient("", "p"), ""),
		entry("POST", "Organization", "", `{"resourceType":"Organization","identifier":[{"system":"http://ns.electronichealth.net.au/id/hi/hpio/1.0","value":"`+recipient+`"}],"name":"x"}`, "")))
	request := `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient?identifier=urn:x|p"},"performer":[{"reference":"Organization?identifier=` + recipient + `"}]}`
	if state, got := f.settle(t, f.transaction(1, "transaction", entry("POST", "ServiceRequest", "", request, ""))); state != referral.Completed {
		t.Fatalf("got %s: %s", state, got[0].Outcome)
	}
	if got := value[string](t, f, `select string_agg(type, ' ' order by type) from resource where readers = array[$1::text]`, recipient); got != "Organization Patient ServiceRequest" {
		t.Errorf("the performer reads %q, want Organization Patient ServiceRequest", got)
	}
}
