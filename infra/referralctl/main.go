// Command referralctl is the tool of those who operate and test a Referral FHIR Server: it sends referrals and follows
// them, tells how full the queues are, handles dead letters, makes synthetic referrals and development certificates, edits the client registry,
// prints how to use a running stack and migrates the store.
//
// Results go to standard output, as JSON with --json; progress and errors go to standard error, and an error says what
// to do next. Exit status: 0 fine, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
)

type commands struct {
	JSON bool `name:"json" help:"Print JSON, for other programs."`

	Submit     submitCommand     `cmd:"" help:"Send Bundles and follow each to its end."`
	Status     statusCommand     `cmd:"" help:"Tell how a submission stands."`
	Validate   validateCommand   `cmd:"" help:"Hold FHIR files against the standard and its profiles, offline."`
	List       listCommand       `cmd:"" help:"List referrals that were sent or received, newest first."`
	Queue      queueCommand      `cmd:"" help:"Tell how many messages wait in the queue and in its dead-letter queue, and for how long."`
	DLQ        dlqCommand        `cmd:"" name:"dlq" help:"Look at dead letters, send them again, archive and discard them."`
	Generate   generateCommand   `cmd:"" help:"Make synthetic Australian referrals."`
	Audit      auditCommand      `cmd:"" help:"Ask the audit who was shown what, seal it, and check its seals."`
	Clients    clientsCommand    `cmd:"" help:"Edit the client registry: who may call, by which keys and certificates."`
	Certs      certsCommand      `cmd:"" help:"Make a development CA, and certificates of a server and of clients, NASH-like ones among them."`
	Env        envCommand        `cmd:"" help:"Print the variables with which other programs use the stack that make run started."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the store to its newest migration. Safe while servers run, and to repeat."`
	Reconcile  reconcileCommand  `cmd:"" help:"Hold what was accepted, by log or object storage, against what has settled, and send again what is missing."`
	Sweep      sweepCommand      `cmd:"" help:"Remove claimed bodies that no message can claim any more; without --yes only say how many."`
	Reindex    reindexCommand    `cmd:"" help:"Index what is stored anew, after an upgrade that says so. Safe while servers run, and to repeat."`
	Retention  retentionCommand  `cmd:"" help:"Remove what is kept longer than it has to be, and keep what a legal hold is on."`
	Completion completionCommand `cmd:"" help:"Print a script that completes referralctl in a shell."`
}

// The exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is an error that another command line or setting mends.
type usageError struct{ error }

// errToldAlready ends a command with exitFailed whose output has said why.
var errToldAlready = errors.New("told already")

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	json     bool
}

// printJSON prints v on one line.
func (s *streams) printJSON(v any) error {
	encoder := json.NewEncoder(s.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func newParser(cli *commands, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(cli, append(options, kong.Name("referralctl"),
		kong.Description("Operate and test the Referral FHIR Server."),
		kong.Vars{"specialties": strings.Join(generate.Specialties(), ",")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))...)
}

// run runs one command line and returns its exit status.
func run(ctx context.Context, args []string, s streams) int {
	cli := &commands{}
	parser, err := newParser(cli, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&s), kong.Writers(s.out, s.err))
	if err != nil {
		panic(err) // the commands are wrongly described
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.err, "referralctl: %v\nSee referralctl --help.\n", err)
		return exitUsage
	}
	s.json = cli.JSON
	err = command.Run()
	_, usage := errors.AsType[usageError](err)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errToldAlready):
		return exitFailed
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "referralctl: interrupted")
		return exitFailed
	}
	fmt.Fprintln(s.err, "referralctl:", err)
	if usage {
		return exitUsage
	}
	return exitFailed
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(status)
}
