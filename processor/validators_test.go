package processor_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/processor"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir/patch"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// broken is an instance that conforms to a profile, and a patch that breaks it: the first of its file in testdata/invalid
// that makes an error of it.
type broken struct {
	kind            string // its type
	instance, patch []byte
}

// brokenInstances are those of testdata/invalid, by file, but for Bundles, which are not patched.
func brokenInstances(t *testing.T) map[string]broken {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "invalid", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]broken{}
	for _, path := range paths {
		var file struct {
			Instance json.RawMessage
			Cases    []struct {
				Patch json.RawMessage
				Want  struct{ Severity string }
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		instance, err := fhir.Parse(file.Instance, "Resource", fhir.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range file.Cases {
			if kind := instance.ResourceType(); c.Want.Severity == "error" && kind != "Bundle" {
				all[filepath.Base(path)] = broken{kind, file.Instance, c.Patch}
				break
			}
		}
	}
	return all
}

// errorsOf are the errors that an OperationOutcome tells of: the code of each, and where.
func errorsOf(t *testing.T, outcome []byte) (errors []string) {
	t.Helper()
	var o struct {
		Issue []struct {
			Severity, Code string
			Expression     []string
		}
	}
	if err := json.Unmarshal(outcome, &o); err != nil {
		t.Fatalf("%v in %s", err, outcome)
	}
	for _, i := range o.Issue {
		if i.Severity == string(fhir.SeverityError) {
			errors = append(errors, i.Code+" "+strings.Join(i.Expression, " "))
		}
	}
	slices.Sort(errors)
	return errors
}

// blind is a Checker that finds nothing.
type blind struct{}

func (blind) Check(*fhir.Value, string, ...string) []fhir.Issue { return nil }

// TestBothValidatorsAgree breaks an instance of each profile. Ingest refuses the broken one, and the processor the patch that
// breaks the stored one, which ingest cannot see: for the same reasons at the same places. The control is a processor that
// does not validate: patches that break what is stored complete.
func TestBothValidatorsAgree(t *testing.T) {
	f := newFixture(t)
	c := f.Config
	c.Schemas = blind{}
	unchecked, ingest := processor.New(c), f.front(t, 0, nil)
	want := map[string][]string{} // what ingest says, by the hash of the patch's submission
	files := map[string]string{}
	settle := func(p *processor.Processor, m *queue.Message) referral.State {
		t.Helper()
		state, err := p.Settle(t.Context(), m, 1)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	n, passed := 0, 0
	instances := brokenInstances(t)
	for i, file := range slices.Sorted(maps.Keys(instances)) {
		if *sweep > 1 && i%4 != 0 { // the short form
			continue
		}
		b := instances[file]
		n += 3
		create := f.write(n, "POST", b.kind, string(b.instance))
		if settle(f.Processor, create) != referral.Completed {
			continue // it refers to what is not there
		}
		id := f.keys.ResourceID(sender, f.keys.Digest(create.Request), create.AcceptedAt, 0).String()
		whole, err := patch.Apply(b.instance, b.patch)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		answer := ingest.ask(t, "PUT", "/fhir/"+b.kind+"/"+id, strings.Replace(string(whole), `"id":"example"`, `"id":"`+id+`"`, 1))
		if answer.Code < 400 {
			t.Errorf("%s: ingest says %d", file, answer.Code)
		}
		change := f.write(n+1, "PATCH", b.kind+"/"+id, string(b.patch))
		if settle(f.Processor, change) != referral.Rejected {
			t.Errorf("%s: the processor does not reject the patch", file)
		}
		digest := f.keys.Digest(change.Request)
		want[hex.EncodeToString(digest[:])], files[hex.EncodeToString(digest[:])] = errorsOf(t, answer.Body.Bytes()), file
		if len(want)%10 == 0 && settle(unchecked, f.write(n+2, "PATCH", b.kind+"/"+id, string(b.patch))) == referral.Completed {
			passed++
		}
	}
	var answers map[string][]referral.Answer
	text := value[string](t, f, `select json_object_agg(encode(d, 'hex'), answers::json)::text from submission where bundle_type = 'patch' and state = 'rejected'`)
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		t.Fatal(err)
	}
	for digest, errors := range want {
		got := answers[digest]
		if len(got) != 1 || got[0].Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: got %+v, want 422", files[digest], got)
			continue
		}
		if diff := cmp.Diff(errors, errorsOf(t, got[0].Outcome)); diff != "" {
			t.Errorf("%s (-ingest +processor):\n%s", files[digest], diff)
		}
	}
	t.Logf("%d of %d compared, %d settle unchecked", len(want), len(instances), passed)
	if len(want) < len(instances)/5 || passed != len(want)/10 {
		t.Error("want a fifth of all compared, and each tenth of those to settle unchecked")
	}
}
