package processor_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

const nowhere = "Patient/0197a000-0000-7000-8000-000000000000"

// identified is a ServiceRequest with an identifier; id may be empty.
func identified(id, key, subject string) string {
	more := `,"identifier":[{"system":"urn:x","value":"` + key + `"}]`
	if id != "" {
		more += `,"id":"` + id + `"`
	}
	return serviceRequest(subject, more)
}

// TestEntryOfABatchReliesOnWhatStays: what another entry has written and lost again was never there for this one.
func TestEntryOfABatchReliesOnWhatStays(t *testing.T) {
	for name, test := range map[string]struct {
		entries func(patientID, requestID string) []string // the request has the identifier a
		want    []int
		stored  int64 // requests
		version string
	}{
		"a conditional create": {func(p, _ string) []string {
			return []string{
				entry("POST", "ServiceRequest", "", identified("", "b", nowhere), ""),
				entry("POST", "ServiceRequest", "", identified("", "b", "Patient/"+p), `,"ifNoneExist":"identifier=b"`),
			}
		}, []int{422, 201}, 2, "1"},
		"two conditional creates": {func(p, _ string) []string {
			return []string{
				entry("POST", "ServiceRequest", "", identified("", "b", "Patient/"+p), `,"ifNoneExist":"identifier=b"`),
				entry("POST", "ServiceRequest", "", identified("", "b", "Patient/"+p), `,"ifNoneExist":"identifier=b"`),
			}
		}, []int{201, 200}, 2, "1"},
		"an update": {func(p, r string) []string {
			return []string{
				entry("PUT", "ServiceRequest/"+r, "", identified(r, "a", nowhere), ""),
				entry("PUT", "ServiceRequest/"+r, "", identified(r, "a", "Patient/"+p), ""),
			}
		}, []int{422, 200}, 1, "2"},
		"a conditional update": {func(p, r string) []string {
			return []string{
				entry("PUT", "ServiceRequest/"+r, "", identified(r, "b", nowhere), ""),
				entry("PUT", "ServiceRequest?identifier=a", "", identified("", "a", "Patient/"+p), ""),
			}
		}, []int{422, 200}, 1, "2"},
		"reads": {func(p, r string) []string {
			return []string{
				entry("PUT", "ServiceRequest/"+r, "", identified(r, "b", nowhere), ""),
				entry("GET", "ServiceRequest/"+r, "", "", ""),
				entry("GET", "ServiceRequest?identifier=b", "", "", ""),
			}
		}, []int{422, 200, 200}, 1, "1"},
		"a deletion": {func(p, r string) []string {
			return []string{
				entry("DELETE", "ServiceRequest/"+r, "", "", ""),
				entry("DELETE", "ServiceRequest/"+r, "", "", ""),
				entry("GET", "ServiceRequest/"+r, "", "", ""),
			}
		}, []int{204, 204, 410}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, created := f.settle(t, f.transaction(0, "transaction",
				entry("POST", "Patient", subject, patient("", "p"), ""), entry("POST", "ServiceRequest", "", identified("", "a", subject), "")))
			id := idOf(created[1])
			_, got := f.settle(t, f.transaction(1, "batch", test.entries(idOf(created[0]), id)...))
			if diff := cmp.Diff(test.want, statuses(got)); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if got := value[int64](t, f, `select count(*) from resource where type = 'ServiceRequest'`); got != test.stored {
				t.Errorf("got %d requests, want %d", got, test.stored)
			}
			if got := value[string](t, f, `select coalesce(max(version)::text, '') from resource where id = $1::uuid`, id); got != test.version {
				t.Errorf("the request stands at version %q, want %q", got, test.version)
			}
			for i, a := range got {
				if a.Read && !strings.HasSuffix(a.Version, "/"+test.version) || len(a.Matches) > 0 {
					t.Errorf("entry %d: got %+v, of a version that is not there", i, a)
				}
			}
		})
	}
}

// TestEntryOfABatchFailsAlone, whatever is wrong with it, and the list tells of the others.
func TestEntryOfABatchFailsAlone(t *testing.T) {
	for name, test := range map[string]struct {
		wrong string
		want  int
	}{
		"too many performers":       {strings.Replace(serviceRequest("Patient/ID", ""), `"performer":[`, `"performer":[`+strings.Repeat(`{"display":"x"},`, referral.MaxAddressees), 1), 400},
		"a subject that is nowhere": {serviceRequest(nowhere, ""), 422},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "p")))
			id := idOf(created[0])
			wrong := strings.ReplaceAll(strings.Replace(test.wrong, `"text":"c"`, `"text":"wrong"`, 1), "Patient/ID", "Patient/"+id)
			state, got := f.settle(t, f.transaction(1, "batch", entry("POST", "ServiceRequest", "", wrong, ""),
				entry("POST", "ServiceRequest", "", serviceRequest("Patient/"+id, `,"priority":"stat"`), "")))
			if diff := cmp.Diff([]int{test.want, 201}, statuses(got)); state != referral.Completed || diff != "" {
				t.Fatalf("got %s, statuses (-want +got):\n%s", state, diff)
			}
			summary := value[string](t, f, `select concat_ws(' ', request, patient, service, priority) from submission where bundle_type = 'batch'`)
			if want := strings.TrimSuffix(got[1].Version, "/_history/1") + " Patient/" + id + " c stat"; summary != want {
				t.Errorf("the list tells of %q, want %q", summary, want)
			}
		})
	}
}

// TestSearchCriteriaAreBounded: what asks for too much is refused before the store is asked, and as much as may be
// settles.
func TestSearchCriteriaAreBounded(t *testing.T) {
	ten := func(i int) string {
		alternatives := make([]string, 10)
		for j := range alternatives {
			alternatives[j] = fmt.Sprint("x", i, "-", j)
		}
		return "identifier=" + strings.Join(alternatives, ",")
	}
	creates := func(n int) []string {
		entries := make([]string, n)
		for i := range entries {
			entries[i] = entry("POST", "Patient", "", patient("", fmt.Sprint("p", i)), `,"ifNoneExist":"`+ten(i)+`"`)
		}
		return entries
	}
	references := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = `{"reference":"Patient?identifier=p0,y` + fmt.Sprint(i) + `"}`
		}
		return entry("POST", "Observation", "", `{"resourceType":"Observation","status":"final","code":{"text":"x"},"focus":[`+strings.Join(all, ",")+`]}`, "")
	}
	for name, test := range map[string]struct {
		entries []string
		want    referral.State
	}{
		"conditions":                {creates(1000), referral.Completed},
		"one condition more":        {append(creates(1000), entry("DELETE", "Patient?identifier=nobody", "", "", "")), referral.Rejected},
		"references":                {append(creates(500), references(2500)), referral.Completed},
		"one reference more":        {append(creates(500), references(2501)), referral.Rejected},
		"very many more references": {[]string{references(50_000)}, referral.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			state, got := f.settle(t, f.transaction(0, "transaction", test.entries...))
			if state != test.want || state == referral.Rejected && got[0].Status != 422 {
				t.Errorf("got %s, %d %s; want %s", state, got[0].Status, got[0].Outcome, test.want)
			}
		})
	}
}

// TestTieIsDecidedByTheDigest: of two updates accepted in the same millisecond the same one wins, whichever is
// delivered first.
func TestTieIsDecidedByTheDigest(t *testing.T) {
	var contents []string
	for _, first := range []bool{true, false} {
		f := newFixture(t)
		_, created := f.settle(t, f.write(0, "POST", "Patient", patient("", "a")))
		id := idOf(created[0])
		both := []*queue.Message{f.write(1, "PUT", "Patient/"+id, patient(id, "b")), f.write(1, "PUT", "Patient/"+id, patient(id, "c"))}
		both[1].Request.Key = "another"
		both[1] = f.by(sender, both[1])
		if !first {
			slices.Reverse(both)
		}
		for _, m := range both {
			f.settle(t, m)
		}
		contents = append(contents, value[string](t, f, `select content from resource`))
	}
	if contents[0] != contents[1] {
		t.Errorf("the order of delivery decides: %s, or %s", contents[0], contents[1])
	}
}

// TestKnownIsNotUnderWay: for what is there, of another type or another organisation's, nobody waits.
func TestKnownIsNotUnderWay(t *testing.T) {
	f := newFixture(t)
	f.Now = func() time.Time { return acceptedAt.Add(10 * time.Second) }
	_, created := f.settle(t, f.transaction(0, "transaction",
		entry("POST", "Patient", subject, patient("", "a"), ""), entry("POST", "ServiceRequest", "", serviceRequest(subject, ""), "")))
	id := idOf(created[0])
	for name, test := range map[string]struct {
		m    *queue.Message
		want int
	}{
		"an update as another type":         {f.write(1, "PUT", "Observation/"+id, strings.Replace(observation("Patient/"+id), `"status"`, `"id":"`+id+`","status"`, 1)), 405},
		"a patch as another type":           {f.write(2, "PATCH", "Observation/"+id, `[{"op":"remove","path":"/note"}]`), 404},
		"a reference as another type":       {f.write(3, "POST", "ServiceRequest", serviceRequest("Group/"+id, "")), 422},
		"an update of another organisation": {f.by(recipient, f.write(4, "PUT", "Patient/"+id, patient(id, "b"))), 405},
	} {
		if _, got := f.settle(t, test.m); got[0].Status != test.want {
			t.Errorf("%s: got %d, want %d", name, got[0].Status, test.want)
		}
	}
}

// TestPatchLeavesNoConditionalReference: nothing would resolve it.
func TestPatchLeavesNoConditionalReference(t *testing.T) {
	f := newFixture(t)
	_, created := f.settle(t, f.transaction(0, "transaction", entry("POST", "Patient", subject, patient("", "a"), ""), entry("POST", "Observation", "", observation(subject), "")))
	id := idOf(created[1])
	changes := `[{"op":"replace","path":"/subject/reference","value":"Patient?identifier=urn:x|a"}]`
	binary := `{"resourceType":"Binary","contentType":"application/json-patch+json","data":"` + base64.StdEncoding.EncodeToString([]byte(changes)) + `"}`
	for name, m := range map[string]*queue.Message{
		"by itself":        f.write(1, "PATCH", "Observation/"+id, changes),
		"in a transaction": f.transaction(2, "transaction", entry("PATCH", "Observation/"+id, "", binary, "")),
	} {
		if _, got := f.settle(t, m); got[0].Status != 422 || !strings.Contains(string(got[0].Outcome), `"Observation.subject.reference"`) {
			t.Errorf("%s: got %d %s, want 422 at Observation.subject.reference", name, got[0].Status, got[0].Outcome)
		}
	}
}
