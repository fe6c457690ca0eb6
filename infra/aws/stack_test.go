package aws_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// Who sends here, and by what it is known.
const (
	sender    = "8003621566684455"
	senderKey = "synthetic-key-of-the-sender"
	domain    = "referrals.example.org"
)

// stack stands in for what the template makes: queues, buckets, secrets, a database, and API Gateway's own interface. It
// notes who calls what: each function's credentials have its name, as each has a role of its own there.
type stack struct {
	sqs     *sqs.Client
	s3      *s3.Client
	refs    map[string]string // what !Ref, !Sub and !GetAtt give, by name
	secrets map[string]string // by id
	aws     []string          // the variables, as NAME=value, with which the SDK comes here
	client  *x509.Certificate // of sender
	built   string            // folder of the bootstraps

	mu    sync.Mutex
	calls map[string]map[string]bool // actions, as IAM names them, by function; guarded by mu
}

func newStack(t testing.TB) *stack {
	t.Helper()
	s := &stack{calls: map[string]map[string]bool{}, built: t.TempDir(), refs: map[string]string{
		"DomainName": domain, "KeysSecret": "keys", "DatabaseSecret": "database", "AuditSecret": "audit", "UsagePlan": "plan1", "IngestLog": "ingest", "AWS::StackName": "referrals-dev",
		"ClaimBucket": "claims", "ArchiveBucket": "archive", "ConfigurationBucket": "configuration",
		"NashIssuers": "s3://configuration/nash-ca.pem", "RevocationLists": "s3://configuration/crl/nash.crl",
	}}
	for name, parameter := range template(t).in(t, "Parameters") {
		if value, ok := parameter.(node)["Default"]; ok && s.refs[name] == "" {
			s.refs[name] = fmt.Sprint(value)
		}
	}
	s.startServices(t)
	s.makeQueues(t)
	s.makeDatabase(t)
	s.makeConfiguration(t)
	return s
}

// startServices serves what stands in for AWS.
func (s *stack) startServices(t testing.TB) {
	t.Helper()
	db, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	queues, err := localsqs.New(t.Context(), localsqs.Config{DB: db, BaseURL: &url.URL{Scheme: "http", Host: "127.0.0.1:9324"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queues.Close)
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	s.secrets = map[string]string{
		"keys": fmt.Sprintf(`{"kd":{"current":1,"keys":{"1":%[1]q}},"km":{"current":1,"keys":{"1":%[1]q}},"pepper":%[1]q}`, key),
	}
	endpoint := map[string]string{}
	for name, service := range map[string]http.Handler{
		"SQS": queues, "S3": gofakes3.New(s3mem.New()).Server(),
		"SECRETS_MANAGER": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in struct{ SecretId string }
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil || s.secrets[in.SecretId] == "" {
				w.WriteHeader(http.StatusBadRequest)
			}
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_ = json.NewEncoder(w).Encode(map[string]string{"Name": in.SecretId, "SecretString": s.secrets[in.SecretId]})
		}),
		"CLOUDWATCH_LOGS": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			_, _ = w.Write([]byte(`{"events":[]}`))
		}),
		"API_GATEWAY": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"values":{"key1":[[1,99]]}}`))
		}),
	} {
		server := httptest.NewServer(s.noted(service))
		t.Cleanup(server.Close)
		endpoint[name] = server.URL
		s.aws = append(s.aws, "AWS_ENDPOINT_URL_"+name+"="+server.URL)
	}
	s.aws = append(s.aws, "AWS_REGION=ap-southeast-2", "AWS_SECRET_ACCESS_KEY=synthetic")
	operator := credentials.NewStaticCredentialsProvider("operator", "synthetic", "")
	s.sqs = sqs.New(sqs.Options{BaseEndpoint: aws.String(endpoint["SQS"]), Region: "ap-southeast-2", Credentials: operator})
	s.s3 = s3.New(s3.Options{BaseEndpoint: aws.String(endpoint["S3"]), Region: "ap-southeast-2", Credentials: operator})
}

var credential = regexp.MustCompile(`Credential=(\w+)/\d+/[\w-]+/(\w+)/aws4_request`)

// noted notes who calls what of service. An action is the operation's name; API Gateway's are methods of HTTP.
func (s *stack) noted(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
			operation = strings.TrimSuffix(operation, "Batch") // granted with the single one (SQS Developer Guide, "API permissions")
			if operation == "" {
				operation = r.URL.Query().Get("x-id") // of S3
			}
			if m[2] == "apigateway" {
				operation = r.Method
			}
			s.mu.Lock()
			if s.calls[m[1]] == nil {
				s.calls[m[1]] = map[string]bool{}
			}
			s.calls[m[1]][m[2]+":"+operation] = true
			s.mu.Unlock()
		}
		service.ServeHTTP(w, r)
	})
}

// called are the actions of a function so far, sorted.
func (s *stack) called(function string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.calls[function]))
}

// makeQueues makes queues so small that each referral's body goes to the claim bucket.
func (s *stack) makeQueues(t testing.TB) {
	t.Helper()
	for name, attributes := range map[string]map[string]string{"DeadLetterQueue": nil, "Queue": {"MaximumMessageSize": "2048"}} {
		out, err := s.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
		s.refs[name] = *out.QueueUrl
	}
}

// makeDatabase makes the logins by the statements of README.md.
func (s *stack) makeDatabase(t testing.TB) {
	t.Helper()
	store, err := url.Parse(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	_, statements, found := strings.Cut(read(t, "README.md"), "<<'SQL'\n")
	statements, _, _ = strings.Cut(statements, "   SQL\n")
	owner, err := pgx.Connect(t.Context(), store.String())
	if err != nil || !found {
		t.Fatalf("README.md makes logins: %v; %v", found, err)
	}
	defer owner.Close(context.WithoutCancel(t.Context()))
	if _, err := owner.Exec(t.Context(), strings.NewReplacer(":'app'", "'synthetic'", ":'auditor'", "'synthetic'").Replace(statements)); err != nil {
		t.Fatal(err)
	}
	for secret, login := range map[string]string{"database": "referral_app", "audit": "referral_auditor"} {
		s.secrets[secret] = fmt.Sprintf(`{"engine":"postgres","username":%q,"password":"synthetic","host":%q,"port":%s,"dbname":%q}`,
			login, store.Hostname(), store.Port(), store.Path[1:])
	}
}

// makeConfiguration fills the configuration bucket as README.md says: issuers, and a registry whose digests need the
// pepper. The list of the issuer is where that has it.
func (s *stack) makeConfiguration(t testing.TB) {
	t.Helper()
	dir := t.TempDir()
	if _, err := certs.Make(dir, certs.Options{HPIOs: []string{sender}}); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "nash-"+sender+".pem"), filepath.Join(dir, "nash-"+sender+"-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.client = pair.Leaf
	for _, bucket := range []string{"claims", "archive", "configuration"} {
		if _, err := s.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	registry := fmt.Sprintf(`{"clients": [{"org": %q, "client": "reception", "scopes": ["submit", "read"], "keys": [%q], "certificates": [{"nash": true}]}]}`,
		sender, principal.Digest(senderKey, make([]byte, 32)))
	for key, content := range map[string]string{
		"clients.json": registry, "truststore.pem": read(t, dir, "nash-ca.pem"), "nash-ca.pem": read(t, dir, "nash-ca.pem"),
	} {
		in := &s3.PutObjectInput{Bucket: aws.String("configuration"), Key: &key, Body: strings.NewReader(content)}
		if _, err := s.s3.PutObject(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	issuer := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(issuer.Close)
	s.refs["RevocationListURLs"] = issuer.URL + "/nash-ca-crl.pem"
}

var inText = regexp.MustCompile(`\$\{(\w+)\}`)

// resolve gives a value of the template as CloudFormation would, with a database of its own.
func (s *stack) resolve(t testing.TB, v any) string {
	t.Helper()
	object, ok := v.(node)
	if !ok {
		return fmt.Sprint(v)
	}
	if name, ok := object["Ref"].(string); ok {
		value, ok := s.refs[name]
		if !ok {
			t.Errorf("what is %s here?", name)
		}
		return value
	}
	if text, ok := object["Fn::Sub"].(string); ok {
		return inText.ReplaceAllStringFunc(text, func(r string) string { return s.resolve(t, node{"Ref": r[2 : len(r)-1]}) })
	}
	if choice, ok := object["Fn::If"].([]any); ok && choice[0] == "NewDatabase" {
		return s.resolve(t, choice[1])
	}
	t.Errorf("got %v, which is nothing that is known here", v)
	return ""
}

// start starts a function as the template says, but on this machine, whose PostgreSQL has no TLS.
func (s *stack) start(t testing.TB, resource string) *lambdahost.Function {
	t.Helper()
	folder := allFunctions()[resource]
	name := filepath.Base(folder)
	bootstrap := filepath.Join(s.built, name, "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bootstrap, "./"+folder+"/lambda")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	properties := template(t).in(t, "Resources/"+resource+"/Properties")
	variables := append([]string{"AWS_ACCESS_KEY_ID=" + name}, s.aws...)
	for _, given := range []node{template(t).in(t, "Globals/Function/Environment/Variables"), properties.in(t, "Environment/Variables")} {
		for variable, value := range given {
			if variable != "PGSSLROOTCERT" {
				variables = append(variables, variable+"="+s.resolve(t, value))
			}
		}
	}
	f, err := lambdahost.Start(t.Context(), lambdahost.Config{
		Bootstrap: bootstrap, Env: variables, Timeout: time.Duration(properties["Timeout"].(int)) * time.Second, Output: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// do sends a request of sender to a function.
func (s *stack) do(t testing.TB, f *lambdahost.Function, method, target string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://"+domain+target, bytes.NewReader(body))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{s.client}}
	r.Header.Set("X-Api-Key", senderKey)
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	w := httptest.NewRecorder()
	lambdahost.HTTP(f).ServeHTTP(w, r)
	return w
}

// received takes n messages from the queue, as the event source mapping does.
func (s *stack) received(t testing.TB, n int) (records []events.SQSMessage) {
	t.Helper()
	for len(records) < n {
		out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.refs["Queue"]), MaxNumberOfMessages: 10, WaitTimeSeconds: 5})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("got %d of %d messages, error %v", len(records), n, err)
		}
		for _, m := range out.Messages {
			records = append(records, events.SQSMessage{
				MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, EventSource: "aws:sqs",
				Attributes: map[string]string{"ApproximateReceiveCount": "1"},
			})
		}
	}
	return records
}
