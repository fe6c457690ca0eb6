//go:build npm

package localsqs_test

import (
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/localsqs"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestNPM runs the conformance test of folder npm, which uses the AWS SDK for JavaScript. The build tag keeps it out of
// "make test", because it needs Node.js and installs packages; "make test-npm" runs it. They are installed beside a copy
// of the folder, so that none ends up in the checkout.
func TestNPM(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	base := &url.URL{Scheme: "http", Host: server.Listener.Addr().String()} // of queue URLs, which this SDK sends to
	s, err := localsqs.New(t.Context(), localsqs.Config{DB: pool(t, pgtest.Empty(t)), BaseURL: base, Faults: []localsqs.Fault{
		{Action: "SendMessage", Queue: "wrong-md5", WrongMD5: true},
		{Action: "SendMessage", Queue: "throttled", On: localsqs.Calls(1), Ending: localsqs.EndError, Code: "RequestThrottled"},
		{Action: "SendMessage", Queue: "lost-answer", On: localsqs.Calls(1), Ending: localsqs.EndCut, After: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = s
	server.Start()
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})

	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "sqs.test.mjs"} {
		content, err := os.ReadFile(filepath.Join("npm", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "AWS_ENDPOINT_URL_SQS="+base.String(), "AWS_REGION=ap-southeast-2",
			"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		t.Logf("%s\n%s", name, out)
	}
	run("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
	run("node", "--test", "sqs.test.mjs")
}
