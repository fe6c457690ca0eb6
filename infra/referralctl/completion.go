package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is printed by completion --help.
func (*completionCommand) Help() string {
	return "bash: source <(referralctl completion bash)\n\nzsh: source <(referralctl completion zsh)\n\n" +
		"fish: referralctl completion fish | source"
}

// Run prints the script.
func (c *completionCommand) Run(app *kong.Kong, s *streams) error {
	script := map[string]func(*kong.Application) string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	if s.json {
		return s.printJSON(map[string]string{"shell": c.Shell, "script": script(app.Model)})
	}
	_, err := fmt.Fprint(s.out, script(app.Model))
	return err
}

// flagsOf returns the flags that may stand behind a command.
func flagsOf(command *kong.Node) []*kong.Flag {
	var flags []*kong.Flag
	for _, group := range command.AllFlags(true) {
		flags = append(flags, group...)
	}
	return flags
}

// choices returns the values that a flag or argument takes, or nil when anything goes.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return strings.FieldsFunc(v.Enum, func(r rune) bool { return r == ',' })
}

// words returns what may follow a command besides files: its flags, and the values of its argument.
func words(command *kong.Node) []string {
	var all []string
	for _, flag := range flagsOf(command) {
		all = append(all, "--"+flag.Name)
		if flag.Tag.Negatable != "" {
			all = append(all, "--no-"+flag.Name)
		}
	}
	for _, argument := range command.Positional {
		all = append(all, choices(argument)...)
	}
	return all
}

// fullName is how a command is called: with its group, if it has one.
func fullName(command *kong.Node) string {
	if command.Parent.Type == kong.CommandNode {
		return command.Parent.Name + " " + command.Name
	}
	return command.Name
}

func names(nodes []*kong.Node) []string {
	var all []string
	for _, node := range nodes {
		all = append(all, node.Name)
	}
	return all
}

// bashCompletion completes commands, flags, values of flags that have a choice, and files.
func bashCompletion(app *kong.Application) string {
	var commands, groups []string
	var cases, values strings.Builder
	seen := map[string]bool{}
	for _, group := range app.Children {
		commands = append(commands, group.Name)
		if len(group.Children) > 0 {
			groups = append(groups, group.Name)
			fmt.Fprintf(&cases, "    %s) offered='%s' ;;\n", group.Name, strings.Join(names(group.Children), " "))
		}
	}
	for _, command := range app.Leaves(true) {
		fmt.Fprintf(&cases, "    '%s') offered='%s' ;;\n", fullName(command), strings.Join(words(command), " "))
		for _, flag := range flagsOf(command) {
			if c := choices(flag.Value); c != nil && !seen[flag.Name] {
				seen[flag.Name] = true
				fmt.Fprintf(&values, "    --%s) COMPREPLY=($(compgen -W '%s' -- \"$current\")); return ;;\n", flag.Name, strings.Join(c, " "))
			}
		}
	}
	return fmt.Sprintf(`# bash completion for referralctl
_referralctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= offered= word
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case $word in -*) continue ;; esac
    command=${command:+$command }$word
    case $command in %s) ;; *) break ;; esac
  done
  case $previous in
%s  esac
  case $command in
    '') offered='%s --json --help' ;;
%s  esac
  COMPREPLY=($(compgen -W "$offered" -- "$current"))
}
complete -o default -F _referralctl referralctl
`, strings.Join(groups, "|"), values.String(), strings.Join(commands, " "), cases.String())
}

// zshCompletion is bash's through zsh's own emulation of it.
func zshCompletion(app *kong.Application) string {
	return "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n" + bashCompletion(app)
}

// fishCompletion has the help texts beside.
func fishCompletion(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# fish completion for referralctl\n")
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	for _, group := range app.Children {
		fmt.Fprintf(&b, "complete -c referralctl -n __fish_use_subcommand -f -a %s -d %s\n", group.Name, quote(group.Help))
		for _, command := range group.Children {
			condition := fmt.Sprintf("__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s", group.Name, strings.Join(names(group.Children), " "))
			fmt.Fprintf(&b, "complete -c referralctl -n %s -f -a %s -d %s\n", quote(condition), command.Name, quote(command.Help))
		}
	}
	for _, command := range app.Leaves(true) {
		condition := quote("__fish_seen_subcommand_from " + strings.ReplaceAll(fullName(command), " ", "; and __fish_seen_subcommand_from "))
		for _, flag := range flagsOf(command) {
			fmt.Fprintf(&b, "complete -c referralctl -n %s -l %s -d %s", condition, flag.Name, quote(flag.Help))
			switch c := choices(flag.Value); {
			case c != nil:
				fmt.Fprintf(&b, " -x -a %s", quote(strings.Join(c, " ")))
			case !flag.IsBool():
				b.WriteString(" -r")
			}
			b.WriteString("\n")
			if flag.Tag.Negatable != "" {
				fmt.Fprintf(&b, "complete -c referralctl -n %s -l no-%s -d %s\n", condition, flag.Name, quote(flag.Help))
			}
		}
		for _, argument := range command.Positional {
			if c := choices(argument); c != nil {
				fmt.Fprintf(&b, "complete -c referralctl -n %s -f -a %s\n", condition, quote(strings.Join(c, " ")))
			}
		}
	}
	return b.String()
}
