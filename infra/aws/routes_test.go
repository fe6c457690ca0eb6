package aws_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/ingest"
	"github.com/ausbizconsulting/referral-fhir-server/query"
)

// patterns collects the routes that a function registers.
type patterns map[string]bool

func (p patterns) Handle(pattern string, _ http.Handler) { p[pattern] = true }

// TestRoutes: API Gateway brings each request to the function that has a route for it.
func TestRoutes(t *testing.T) {
	registered := map[string]patterns{"Ingest": {}, "Query": {}}
	ingest.New(ingest.Config{}).Register(registered["Ingest"])
	query.New(query.Config{BaseURL: &url.URL{Scheme: "https", Host: "referrals.example.org"}}).Register(registered["Query"])
	paths := template(t).in(t, "Resources/Api/Properties/DefinitionBody/paths")
	for function, routes := range registered {
		if len(routes) < 5 {
			t.Errorf("%s: got %d routes", function, len(routes))
		}
		for pattern := range routes {
			method, path, _ := strings.Cut(pattern, " ")
			path = strings.TrimSuffix(path, "/{$}")
			integration := route(paths, path).at(strings.ToLower(method))
			if integration == nil {
				integration = route(paths, path).at("x-amazon-apigateway-any-method")
			}
			operation, _ := integration.(node)
			uri, _ := operation.at("x-amazon-apigateway-integration/uri/Fn::Sub").(string)
			if !strings.Contains(uri, "${"+function+"Function.Arn}") {
				t.Errorf("%s: got %q, want %s", pattern, uri, function)
			}
			want := []any{} // on each operation: API Gateway ignores security at the root of the document
			if path != "/openapi.yaml" && path != "/fhir/metadata" {
				want = []any{"ByKey", []any{node{"key": []any{}}}, []any{}}
			}
			security := operation["security"]
			if choice, ok := security.(node); ok {
				security = choice["Fn::If"]
			}
			if diff := cmp.Diff(want, security); diff != "" {
				t.Errorf("%s: security (-want +got):\n%s", pattern, diff)
			}
		}
	}
	for path := range paths {
		if strings.ContainsAny(strings.ReplaceAll(path, "$", "!"), "!+") {
			t.Errorf("%s: API Gateway takes no $ in a path, and a greedy part would be beside a variable one", path)
		}
	}
}

// route is the resource that API Gateway chooses: in each segment the same text goes before a variable.
func route(paths node, path string) node {
	found := ""
	for candidate := range paths {
		want, got := strings.Split(candidate, "/"), strings.Split(path, "/")
		matches := len(want) == len(got)
		for i := 0; matches && i < len(got); i++ {
			matches = want[i] == got[i] || strings.HasPrefix(want[i], "{")
		}
		if matches && (found == "" || strings.Count(candidate, "{") < strings.Count(found, "{")) {
			found = candidate
		}
	}
	if found == "" {
		return nil
	}
	return paths[found].(node)
}

// TestGatewayResponses: what API Gateway answers by itself are OperationOutcomes with the codes of the server's own.
func TestGatewayResponses(t *testing.T) {
	responses := template(t).in(t, "Resources/Api/Properties/DefinitionBody/x-amazon-apigateway-gateway-responses")
	statuses := map[any]bool{}
	for name, r := range responses {
		response := r.(node)
		statuses[response["statusCode"]] = true
		var outcome struct {
			ResourceType string
			Issue        []struct {
				Severity, Code string
				Details        struct{ Text string }
			}
		}
		if err := json.Unmarshal([]byte(response.in(t, "responseTemplates")["application/json"].(string)), &outcome); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if outcome.ResourceType != "OperationOutcome" || len(outcome.Issue) != 1 || outcome.Issue[0].Severity != "error" ||
			outcome.Issue[0].Code == "" || outcome.Issue[0].Details.Text == "" {
			t.Errorf("%s: got %+v, want an OperationOutcome", name, outcome)
		}
		headers := response.in(t, "responseParameters")
		if !strings.Contains(headers["gatewayresponse.header.Content-Type"].(string), "application/fhir+json") {
			t.Errorf("%s: got headers %v", name, headers)
		}
		if diff := cmp.Diff(node{"Fn::If": []any{"Cors", "'*'", node{"Ref": "AWS::NoValue"}}}, headers["gatewayresponse.header.Access-Control-Allow-Origin"]); diff != "" {
			t.Errorf("%s: for pages (-want +got):\n%s", name, diff)
		}
		if status := response["statusCode"]; (status == 429 || status == 503) && headers["gatewayresponse.header.Retry-After"] == nil {
			t.Errorf("%s: got no Retry-After", name)
		}
	}
	for _, status := range []int{401, 403, 413, 429, 504} {
		if !statuses[status] {
			t.Errorf("no response has status %d", status)
		}
	}
}

// TestBuild: SAM's targets build what make lambda builds, for arm64. make -n says what it would do.
func TestBuild(t *testing.T) {
	for function, folder := range allFunctions() {
		out, err := exec.CommandContext(t.Context(), "make", "-n", "-o", "rds-ca.pem", "build-"+function, "ARTIFACTS_DIR=/artifacts").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"for f in " + folder + ";", "GOARCH=arm64", "-o /artifacts/built/$f/bootstrap ./$f/lambda", "mv '/artifacts/built/" + folder + "/bootstrap' '/artifacts/bootstrap'"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: got\n%s\nwant %q in it", function, out, want)
			}
		}
	}
}
