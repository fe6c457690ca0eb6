package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestBashCompletion asks bash itself.
func TestBashCompletion(t *testing.T) {
	script := referralctl(t, "", "completion", "bash")
	script.want(t, 0, "complete -o default -F _referralctl referralctl", "")
	for line, want := range map[string]string{
		"referralctl s":                           "submit status sweep",
		"referralctl --json gen":                  "generate",
		"referralctl submit --no":                 "--no-follow",
		"referralctl generate --specialty ortho":  "orthopaedics",
		"referralctl li":                          "list",
		"referralctl list --state q":              "quarantined",
		"referralctl list --si":                   "--since",
		"referralctl queue --no":                  "--no-ages",
		"referralctl completion z":                "zsh",
		"referralctl env --d":                     "--data-dir",
		"referralctl cl":                          "clients",
		"referralctl clients ro":                  "rotate",
		"referralctl --json clients suspend --li": "--lift",
		"referralctl clients add --nas":           "--nash",
		"referralctl dl":                          "dlq",
		"referralctl dlq re":                      "replay restore",
		"referralctl dlq replay --ra":             "--rate",
		"referralctl certs --hp":                  "--hpio",
	} {
		words := "'" + strings.Join(strings.Fields(line), "' '") + "'"
		command := exec.CommandContext(t.Context(), "bash", "-c", script.out+
			"COMP_WORDS=("+words+"); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _referralctl; echo \"${COMPREPLY[@]}\"")
		out, err := command.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", line, got, err, want)
		}
	}
}

func TestOtherShells(t *testing.T) {
	referralctl(t, "", "completion", "zsh").want(t, 0, "bashcompinit", "")
	fish := referralctl(t, "", "completion", "fish")
	fish.want(t, 0, "complete -c referralctl -n '__fish_seen_subcommand_from submit' -l no-follow", "")
	fish.want(t, 0, "-l specialty -d", "")
	fish.want(t, 0, "-n '__fish_seen_subcommand_from clients; and __fish_seen_subcommand_from suspend' -l lift", "")
	fish.want(t, 0, "and not __fish_seen_subcommand_from add rotate suspend list' -f -a rotate", "")
	fish.want(t, 0, "-f -a 'bash zsh fish'", "")
}
