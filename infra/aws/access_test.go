package aws_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// operations are what each function calls of AWS, as IAM names it. The archiver's are of package dlq, which has others
// for operators: those that delete are not for it.
var operations = map[string][]string{
	"ingest":    {"s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue", "sqs:GetQueueAttributes", "sqs:SendMessage"},
	"processor": {"s3:GetObject", "secretsmanager:GetSecretValue", "sqs:ChangeMessageVisibility", "sqs:SendMessage"},
	"query":     {"s3:GetObject", "secretsmanager:GetSecretValue"},
	"archiver":  {"s3:GetObject", "s3:PutObject", "sqs:ChangeMessageVisibility", "sqs:ReceiveMessage"},
}

// theirs are actions that no call of the code needs, but the service on its behalf: keys of queue and bucket, the event
// source mapping, the log, and an honest answer for an object that is not there.
var theirs = map[string][]string{
	"ingest":    {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents"},
	"processor": {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:ListBucket", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
	"query":     {"kms:Decrypt", "logs:CreateLogStream", "logs:PutLogEvents"},
	"archiver":  {"kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents", "s3:ListBucket"},
}

// code returns the Go files, without tests, of what the functions are made of.
func code(t testing.TB) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"ingest", "processor", "query", "shared"} {
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

// TestOperations: the table above has every operation whose input the code makes, and no other.
func TestOperations(t *testing.T) {
	input := regexp.MustCompile(`&(sqs|s3|secretsmanager)\.(\w+)Input\{`)
	got, want := map[string]bool{}, map[string]bool{}
	for _, text := range code(t) {
		for _, m := range input.FindAllStringSubmatch(text, -1) {
			got[m[1]+":"+m[2]] = true
		}
	}
	for _, function := range functions {
		for _, operation := range operations[function] {
			want[operation] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations of the code (-table +code):\n%s", diff)
	}
}

// TestRoles: each function may do what it does, and nothing else.
func TestRoles(t *testing.T) {
	for name := range operations {
		role := template(t).in(t, "Resources/"+strings.ToUpper(name[:1])+name[1:]+"Role/Properties")
		granted := map[string]bool{}
		for _, policy := range role["Policies"].([]any) {
			for _, s := range policy.(node).in(t, "PolicyDocument")["Statement"].([]any) {
				statement := s.(node)
				if statement["Effect"] != "Allow" {
					t.Errorf("%s: got effect %v", name, statement["Effect"])
				}
				for _, action := range list(statement["Action"]) {
					granted[action.(string)] = true
				}
				for _, resource := range list(statement["Resource"]) {
					if text := fmt.Sprint(resource); resource == "*" || strings.HasPrefix(text, "*") {
						t.Errorf("%s: got resource %v", name, resource)
					}
				}
			}
		}
		// Query's registry, and processor's claim checks, are read by the same call.
		want := slices.Sorted(slices.Values(slices.Concat(operations[name], theirs[name])))
		if diff := cmp.Diff(slices.Compact(want), slices.Sorted(maps.Keys(granted))); diff != "" {
			t.Errorf("%s: actions (-want +granted):\n%s", name, diff)
		}
		for _, managed := range role["ManagedPolicyArns"].([]any) {
			arn := managed.(node)["Fn::Sub"].(string)
			if !strings.HasSuffix(arn, "/AWSLambdaENIManagementAccess") && !strings.HasSuffix(arn, "/AWSXRayDaemonWriteAccess") {
				t.Errorf("%s: got the policy %s", name, arn)
			}
		}
	}
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

// TestBuckets: versioned, encrypted, never public, and kept when the stack goes.
func TestBuckets(t *testing.T) {
	for name, bucket := range template(t).ofType(t, "AWS::S3::Bucket") {
		p := bucket.in(t, "Properties")
		closed := node{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true}
		if diff := cmp.Diff(closed, p["PublicAccessBlockConfiguration"]); diff != "" {
			t.Errorf("%s: public access (-want +got):\n%s", name, diff)
		}
		rule := p.at("BucketEncryption/ServerSideEncryptionConfiguration").([]any)[0].(node)
		encrypted := rule.at("ServerSideEncryptionByDefault/KMSMasterKeyID") != nil || name == "ConfigurationBucket" // API Gateway reads the truststore
		if p.at("VersioningConfiguration/Status") != "Enabled" || !encrypted || bucket["DeletionPolicy"] != "Retain" {
			t.Errorf("%s: want it versioned, encrypted with the key, and retained", name)
		}
	}
}

// TestLogGroups: each is kept for a stated time and encrypted, and each function writes to its own.
func TestLogGroups(t *testing.T) {
	groups := template(t).ofType(t, "AWS::Logs::LogGroup")
	for name, group := range groups {
		if group.at("Properties/RetentionInDays") == nil || group.at("Properties/KmsKeyId") == nil {
			t.Errorf("%s: want retention and key", name)
		}
	}
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
