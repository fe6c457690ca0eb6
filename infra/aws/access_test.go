package aws_test

import (
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

// theirs are actions granted that no call of the code needs, but the service on its behalf: for keys of queue, bucket and
// secret, the event source mapping, the log, and an honest answer for an object that is not there.
var theirs = map[string][]string{
	"ingest":     {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents"},
	"processor":  {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:ListBucket", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
	"query":      {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
	"archiver":   {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:ListBucket"},
	"sealer":     {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
	"reconciler": {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
	"trust":      {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
	"quota":      {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
}

// operators are calls of the packages that functions are made of which referralctl alone makes, and no function may.
var operators = []string{"s3:DeleteObject", "s3:ListObjectsV2"}

// TestFunctionsCallWhatTheirRolesGrant starts all functions with the template's own settings, sends a referral with a
// certificate and a key through them, with something that cannot settle and something that cannot settle yet, and runs
// what runs on a schedule; revocation lists first, without which nobody starts. What each calls of AWS meanwhile is what its
// role grants, beside what services do for it.
func TestFunctionsCallWhatTheirRolesGrant(t *testing.T) {
	s := newStack(t)
	s.run(t, "TrustFunction")
	s.travel(t)
	s.run(t, "ArchiverFunction")
	s.run(t, "SealerFunction")
	s.run(t, "ReconcilerFunction")
	s.run(t, "QuotaFunction")
	all := map[string]bool{}
	for resource, folder := range allFunctions() {
		name := filepath.Base(folder)
		for _, action := range s.called(name) {
			all[action] = true
		}
		want := slices.Sorted(slices.Values(slices.Concat(s.called(name), theirs[name])))
		if diff := cmp.Diff(want, granted(t, strings.TrimSuffix(resource, "Function")+"Role")); diff != "" {
			t.Errorf("%s: actions (-called +granted):\n%s", name, diff)
		}
	}
	for operation := range written(t) {
		if !all[operation] && !slices.Contains(operators, operation) {
			t.Errorf("the functions have a call of %s, which was not made here", operation)
		}
	}
}

// run runs a function once, as its schedule does.
func (s *stack) run(t *testing.T, resource string) {
	t.Helper()
	if _, err := s.start(t, resource).Invoke(t.Context(), []byte(`{"source":"aws.events"}`)); err != nil {
		t.Errorf("%s: %v", resource, err)
	}
}

// travel brings a referral from sender to the store and back.
func (s *stack) travel(t *testing.T) {
	ingest, processor, query := s.start(t, "IngestFunction"), s.start(t, "ProcessorFunction"), s.start(t, "QueryFunction")
	if w := s.do(t, ingest, "GET", "/health/ready", nil); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want ready", w.Code, w.Body)
	}
	accepted := s.do(t, ingest, "POST", "/fhir", []byte(read(t, "..", "..", "testdata", "referrals", "cardiology-referral.json")))
	status, found := strings.CutPrefix(accepted.Header().Get("Content-Location"), "https://"+domain)
	if accepted.Code != http.StatusAccepted || !found {
		t.Fatalf("got %d %s, want 202 and a status URL of %s", accepted.Code, accepted.Body, domain)
	}
	now := time.Now().UnixMilli()
	id := fmt.Sprintf("%08x-%04x-7000-8000-000000000000", now>>16, now&0xffff) // of what may be created yet
	if w := s.do(t, ingest, "PUT", "/fhir/Patient/"+id, fmt.Appendf(nil, `{"resourceType":"Patient","id":%q}`, id)); w.Code != http.StatusAccepted {
		t.Fatalf("got %d %s, want 202", w.Code, w.Body)
	}
	records := s.received(t, 2)
	for _, r := range slices.Clone(records) {
		r.MessageId, r.Body = "of-another-"+r.MessageId, strings.Replace(r.Body, sender, "8003624900041689", 1)
		records = append(records, r)
	}
	response, err := processor.HandleSQS(t.Context(), events.SQSEvent{Records: records})
	if err != nil || len(response.BatchItemFailures) != 1 {
		t.Errorf("got %+v, error %v; want that the update is to come again, and nothing else", response, err)
	}
	if w := s.do(t, query, "GET", status, nil); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want that the referral has settled", w.Code, w.Body)
	}
}

// granted are the actions that a role grants, sorted.
func granted(t testing.TB, role string) []string {
	t.Helper()
	actions := map[string]bool{}
	for _, policy := range template(t).in(t, "Resources/"+role+"/Properties")["Policies"].([]any) {
		for _, statement := range policy.(node).in(t, "PolicyDocument")["Statement"].([]any) {
			for _, action := range list(statement.(node)["Action"]) {
				actions[action.(string)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(actions))
}

// code returns the Go files, without tests, of what the functions are made of.
func code(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"ingest", "processor", "query", "shared", "infra/aws"} {
		err := fs.WalkDir(os.DirFS(root), dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(filepath.Join(root, path))
			files[path] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// written are the operations whose input the code makes. Package dlq, of which the archiver uses a part, is not among it.
func written(t testing.TB) map[string]bool {
	t.Helper()
	operations := map[string]bool{}
	for _, text := range code(t) {
		for _, m := range regexp.MustCompile(`&(sqs|s3|secretsmanager|cloudwatchlogs)\.(\w+)Input\{`).FindAllStringSubmatch(text, -1) {
			operations[strings.TrimPrefix(m[1], "cloudwatch")+":"+m[2]] = true // what IAM calls it
		}
	}
	return operations
}

// TestTLSOnly: every bucket and queue refuses who comes without TLS.
func TestTLSOnly(t *testing.T) {
	resources := template(t)
	for kind, policies := range map[string]string{"AWS::S3::Bucket": "AWS::S3::BucketPolicy", "AWS::SQS::Queue": "AWS::SQS::QueuePolicy"} {
		for name := range resources.ofType(t, kind) {
			policy, ok := resources.ofType(t, policies)[name+"Policy"]
			if !ok {
				t.Errorf("%s has no policy", name)
				continue
			}
			refers := fmt.Sprint(policy.at("Properties/Bucket"), policy.at("Properties/Queues"))
			statement := policy.at("Properties/PolicyDocument/Statement").([]any)[0].(node)
			if !strings.Contains(refers, name) || statement["Effect"] != "Deny" || statement["Principal"] != "*" ||
				statement.at("Condition/Bool/aws:SecureTransport") != "false" || !strings.HasSuffix(statement["Action"].(string), ":*") {
				t.Errorf("%s: got %v, want that all is refused without TLS", name, statement)
			}
		}
	}
}

// TestLogGroups: each function writes to one of the template, and the access log names nobody.
func TestLogGroups(t *testing.T) {
	groups := template(t).ofType(t, "AWS::Logs::LogGroup")
	for name := range template(t).ofType(t, "AWS::Serverless::Function") {
		group, _ := template(t).at("Resources/" + name + "/Properties/LoggingConfig/LogGroup/Ref").(string)
		if _, ok := groups[group]; !ok {
			t.Errorf("%s: got the log group %q, want one of the template", name, group)
		}
	}
	format := template(t).at("Resources/Api/Properties/AccessLogSetting/Format").(string)
	for _, personal := range []string{"$context.path", "querystring", "$input", "subjectDN", "requestOverride"} {
		if strings.Contains(format, personal) {
			t.Errorf("the access log has %s, which may name a patient or person", personal)
		}
	}
}
