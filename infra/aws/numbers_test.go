package aws_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// TestNumbers: what the design and AWS ask for, by its place below Resources.
func TestNumbers(t *testing.T) {
	resources := template(t).in(t, "Resources")
	for path, want := range map[string]any{
		"Queue/Properties/MessageRetentionPeriod":           14 * 24 * 60 * 60,
		"Queue/Properties/MaximumMessageSize":               1 << 20,
		"Queue/Properties/RedrivePolicy/maxReceiveCount":    1000,
		"Queue/Properties/KmsMasterKeyId":                   node{"Fn::GetAtt": "Key.Arn"},
		"DeadLetterQueue/Properties/KmsMasterKeyId":         node{"Fn::GetAtt": "Key.Arn"},
		"DeadLetterQueue/Properties/MaximumMessageSize":     1 << 20,
		"DeadLetterQueue/Properties/MessageRetentionPeriod": 14 * 24 * 60 * 60,
		"DeadLetterQueue/Properties/RedriveAllowPolicy": node{"redrivePermission": "byQueue", "sourceQueueArns": []any{
			node{"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-referrals"},
		}},
		"Queue/Properties/QueueName": node{"Fn::Sub": "${AWS::StackName}-referrals"},
		"ProcessorFunction/Properties/Events/Queue/Properties/FunctionResponseTypes":            []any{"ReportBatchItemFailures"},
		"ProcessorFunction/Properties/Events/Queue/Properties/BatchSize":                        10,
		"ProcessorFunction/Properties/Events/Queue/Properties/ScalingConfig/MaximumConcurrency": node{"Ref": "ProcessorConcurrency"},
		"ProcessorFunction/Properties/ReservedConcurrentExecutions":                             node{"Ref": "ProcessorConcurrency"},
		"IngestFunction/Properties/ReservedConcurrentExecutions":                                node{"Ref": "IngestConcurrency"},
		"QueryFunction/Properties/ReservedConcurrentExecutions":                                 node{"Ref": "QueryConcurrency"},
		"Api/Properties/DisableExecuteApiEndpoint":                                              true,
		"Api/Properties/EndpointConfiguration":                                                  node{"Type": "REGIONAL"},
		"Api/Properties/TracingEnabled":                                                         true,
		"Domain/Properties/SecurityPolicy":                                                      "TLS_1_2",
		"Domain/Properties/MutualTlsAuthentication/TruststoreVersion":                           node{"Ref": "TruststoreVersion"},
		"UsagePlan/Properties/Quota":                                                            node{"Limit": node{"Ref": "DailyQuota"}, "Period": "DAY"},
		"UsagePlan/Properties/Throttle":                                                         node{"RateLimit": node{"Ref": "Rate"}, "BurstLimit": node{"Ref": "Burst"}},
		"ArchiveBucket/Properties/ObjectLockEnabled":                                            true,
		"Database/Properties/StorageEncrypted":                                                  true,
		"Database/Properties/ManageMasterUserPassword":                                          true,
		"DatabaseParameters/Properties/Parameters/rds.force_ssl":                                "1",
		"Key/Properties/EnableKeyRotation":                                                      true,
	} {
		if diff := cmp.Diff(want, resources.at(path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	globals := template(t).in(t, "Globals/Function")
	for name, want := range map[string]any{"Runtime": "provided.al2023", "Architectures": []any{"arm64"}, "Tracing": "Active", "Handler": "bootstrap"} {
		if diff := cmp.Diff(want, globals[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestTimes: each limit leaves the one within it its time. API Gateway ends a request after 29 s.
func TestTimes(t *testing.T) {
	resources := template(t).in(t, "Resources")
	seconds := func(path string) time.Duration { return time.Duration(resources.at(path).(int)) * time.Second }
	for _, name := range []string{"IngestFunction", "QueryFunction"} {
		if got := seconds(name + "/Properties/Timeout"); got <= env.LongestWait || got >= 29*time.Second {
			t.Errorf("%s: got a time-out of %v, want more than %v and less than 29s", name, got, env.LongestWait)
		}
	}
	message, err := time.ParseDuration(resources.at("ProcessorFunction/Properties/Environment/Variables/REFERRAL_MESSAGE_TIMEOUT").(string))
	if err != nil {
		t.Fatal(err)
	}
	processor := seconds("ProcessorFunction/Properties/Timeout")
	if least := 3*message + time.Second/2; processor < least {
		t.Errorf("processor: got a time-out of %v, want three messages' time and half a second at least, %v", processor, least)
	}
	window := seconds("ProcessorFunction/Properties/Events/Queue/Properties/MaximumBatchingWindowInSeconds")
	if got, least := seconds("Queue/Properties/VisibilityTimeout"), 6*processor+window; got < least {
		t.Errorf("got a visibility time-out of %v, want at least %v", got, least)
	}
	main, dead := seconds("Queue/Properties/MessageRetentionPeriod"), seconds("DeadLetterQueue/Properties/MessageRetentionPeriod")
	if dead < main {
		t.Errorf("the dead-letter queue keeps for %v, the queue for %v: SQS counts from when the queue got it", dead, main)
	}
	if days := resources.at("ClaimBucket/Properties/LifecycleConfiguration/Rules").([]any)[0].(node)["ExpirationInDays"].(int); time.Duration(days)*24*time.Hour < main+dead {
		t.Errorf("claim checks go after %d days, before their messages do", days)
	}
}

// connectionsOf is max_connections of Aurora PostgreSQL Serverless v2 by its largest capacity in ACU: Amazon Aurora User
// Guide, "Maximum connections for Aurora Serverless v2".
var connectionsOf = map[string]int{"1": 189, "4": 823, "8": 1669, "16": 3360, "32": 5000}

// TestConnections: in each deployment, all functions at their concurrency take 0.7 of the database's connections at most.
// One more than its pool is for the function whose caller waits. Each function makes the same sum at its first connection.
func TestConnections(t *testing.T) {
	resources := template(t).in(t, "Resources")
	text, err := os.ReadFile("samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^\[(\w+)\.deploy\.parameters\]$`).FindAllStringSubmatchIndex(string(text), -1)
	if len(sections) != 3 {
		t.Fatalf("got %d deployments, want dev, test and prod", len(sections))
	}
	for i, s := range sections {
		end := len(text)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		stage, section := string(text[s[2]:s[3]]), string(text[s[1]:end])
		overrides := map[string]string{}
		for _, o := range regexp.MustCompile(`"(\w+)=([^"]*)"`).FindAllStringSubmatch(section, -1) {
			overrides[o[1]] = o[2]
			if template(t).at("Parameters/"+o[1]) == nil {
				t.Errorf("%s: %s is no parameter of the template", stage, o[1])
			}
		}
		if overrides["Stage"] != stage || !strings.Contains(section, `region = "ap-southeast-2"`) {
			t.Errorf("%s: got stage %s, or another region than ap-southeast-2", stage, overrides["Stage"])
		}
		number := func(name string) int {
			n, err := strconv.Atoi(overrides[name])
			if err != nil {
				t.Errorf("%s: %s: %v", stage, name, err)
			}
			return n
		}
		pool := 0
		for function := range functions {
			n, err := strconv.Atoi(fmt.Sprint(resources.at(function + "/Properties/Environment/Variables/REFERRAL_STORE_CONNECTIONS")))
			if err != nil {
				t.Error(err)
			}
			pool = max(pool, n)
		}
		got := (number("IngestConcurrency") + number("ProcessorConcurrency") + number("QueryConcurrency")) * (pool + 1)
		want := connectionsOf[overrides["MaxCapacity"]] * 7 / 10
		if got > want {
			t.Errorf("%s: got up to %d connections, want at most %d with %s ACU", stage, got, want, overrides["MaxCapacity"])
		}
		if alarm := number("DatabaseConnections"); alarm != want {
			t.Errorf("%s: the alarm of connections sounds at %d, want 0.7 of what there are, %d", stage, alarm, want)
		}
	}
}

// TestDatabasePort: functions and rotation connect to where the cluster listens, which CloudFormation would choose otherwise.
func TestDatabasePort(t *testing.T) {
	resources := template(t).in(t, "Resources")
	port := resources.at("Database/Properties/Port")
	for _, secret := range []string{"DatabaseSecret", "AuditSecret"} {
		login := resources.at(secret + "/Properties/GenerateSecretString/SecretStringTemplate/Fn::Sub").(string)
		if want := fmt.Sprintf(`"port":%v,`, port); !strings.Contains(login, want) {
			t.Errorf("%s: got %s, want %s", secret, login, want)
		}
	}
	for name, allowed := range map[string]any{
		"DatabaseSecurityGroup": resources.at("DatabaseSecurityGroup/Properties/SecurityGroupIngress").([]any)[0],
		"FunctionSecurityGroup": resources.at("FunctionSecurityGroup/Properties/SecurityGroupEgress").([]any)[2],
	} {
		if rule := allowed.(node); rule["FromPort"] != port || rule["ToPort"] != port {
			t.Errorf("%s: got %v, want port %v", name, rule, port)
		}
	}
}

// TestBuildInSource: the Makefile builds the project around its folder. Without this SAM builds a copy of the folder alone,
// and no template can say so.
func TestBuildInSource(t *testing.T) {
	_, build, _ := strings.Cut(read(t, "samconfig.toml"), "[default.build.parameters]\n")
	build, _, _ = strings.Cut(build, "\n[")
	if !strings.Contains(build, "\nbuild_in_source = true") {
		t.Errorf("got %q, want build_in_source", build)
	}
}
