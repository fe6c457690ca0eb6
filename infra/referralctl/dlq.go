package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

type dlqCommand struct {
	List    listLettersCommand    `cmd:"" help:"List dead letters, without their content."`
	Show    showLetterCommand     `cmd:"" help:"Show one dead letter, with --body all of it."`
	Replay  replayLettersCommand  `cmd:"" help:"Send dead letters to the queue again; without --yes only say which."`
	Discard discardLettersCommand `cmd:"" help:"Archive dead letters, end their submissions as rejected, and delete them; without --yes only say which."`
	Archive archiveLettersCommand `cmd:"" help:"Copy dead letters to object storage, before their retention ends."`
	Restore restoreLettersCommand `cmd:"" help:"Put archived dead letters back into the dead-letter queue; without --yes only say how many."`
}

// lookingHides is part of what --help says.
const lookingHides = "SQS shows a message only to who receives it: looking counts as a receive of each letter, hides it from others until " +
	"all are looked at (if referralctl is killed, for five minutes) and does not see what others have received. Region, credentials " +
	"and endpoint are those of the AWS command line."

// chosen says which dead letters are meant.
type chosen struct {
	Filter map[string]string `mapsep:"," placeholder:"NAME=VALUE,…" help:"Only these: org, type, class, code (as listed), older (than a time span such as 24h), id."`
	Max    int               `default:"0" placeholder:"N" help:"Stop after so many; 0, the default, means all."`
}

func (c *chosen) filter() (f dlq.Filter, err error) {
	if c.Max < 0 {
		return f, usageError{errors.New("--max is a number from 0")}
	}
	for name, value := range c.Filter {
		switch name {
		case "id":
			f.ID = value
		case "org":
			f.Org = value
		case "type":
			f.Type = value
		case "class":
			f.Class = value
		case "code":
			f.Code = value
		case "older":
			if f.Older, err = time.ParseDuration(value); err != nil || f.Older <= 0 {
				return f, usageError{errors.New("--filter older= is a time span such as 90m or 24h")}
			}
		default:
			return f, usageError{fmt.Errorf("--filter knows org, type, class, code, older and id, and not %s", name)}
		}
		if value == "" {
			return f, usageError{fmt.Errorf("--filter %s= has no value", name)}
		}
	}
	return f, nil
}

// all tells whether every dead letter is meant.
func (c *chosen) all() bool { return len(c.Filter) == 0 && c.Max == 0 }

// deadLetters returns the dead-letter queue, with the SDK's settings.
func (c *queues) deadLetters(ctx context.Context) (aws.Config, *dlq.Queue, error) {
	settings, client, err := c.open(ctx)
	if err != nil {
		return settings, nil, err
	}
	url, err := c.deadLetterURL(ctx, client)
	return settings, &dlq.Queue{Client: client, URL: url}, err
}

// deadLetterURL is the one that was named, else that of the queue's redrive policy.
func (c *queues) deadLetterURL(ctx context.Context, client *sqs.Client) (string, error) {
	if c.DeadLetterQueueURL != "" {
		return c.DeadLetterQueueURL, nil
	}
	ask := queueCommand{queues: *c}
	_, redrive, err := ask.readDepth(ctx, client, c.QueueURL)
	if err != nil {
		return "", err
	}
	if redrive == "" {
		return "", fmt.Errorf("%s has no dead-letter queue", path.Base(c.QueueURL))
	}
	return deadLetterQueue(ctx, client, redrive)
}

// waiting is how many letters are visible, and how many others have received.
func (c *queues) waiting(ctx context.Context, q *dlq.Queue) (queueDepth, error) {
	ask := queueCommand{queues: *c}
	depth, _, err := ask.readDepth(ctx, q.Client, q.URL)
	return depth, err
}

// claims is where bodies are that were too large for the queue.
type claims struct {
	BlobBucket string `env:"REFERRAL_BLOB_BUCKET" placeholder:"NAME" help:"The S3 bucket of bodies that were too large for the queue."`
	BlobDir    string `env:"REFERRAL_BLOB_DIR" placeholder:"DIR" help:"Or their directory."`
}

func (c *claims) open(settings aws.Config) (blob.Store, error) {
	return blob.Open(settings, c.BlobBucket, c.BlobDir)
}

// archive is where dead letters are kept.
type archive struct {
	claims
	ArchiveBucket string `env:"REFERRAL_ARCHIVE_BUCKET" placeholder:"NAME" help:"The S3 bucket of the archive; by default that of the bodies."`
	ArchiveDir    string `env:"REFERRAL_ARCHIVE_DIR" placeholder:"DIR" help:"Or its directory."`
}

func (a *archive) open(settings aws.Config) (to dlq.Archive, err error) {
	if to.Claims, err = a.claims.open(settings); err != nil {
		return to, err
	}
	if a.ArchiveBucket == "" && a.ArchiveDir == "" {
		to.Store = to.Claims
	} else if to.Store, err = blob.Open(settings, a.ArchiveBucket, a.ArchiveDir); err != nil {
		return to, err
	}
	if to.Store == nil {
		return to, usageError{errors.New("where is the archive? Set REFERRAL_ARCHIVE_BUCKET or REFERRAL_ARCHIVE_DIR")}
	}
	return to, nil
}

// audit writes what an operator did, and why, as one line of JSON on standard error.
func (s *streams) audit(ctx context.Context, action, queueURL, reason string, chosen map[string]string, letters int, failure error) {
	attributes := []slog.Attr{
		slog.String("action", action), slog.String("operator", operator()), slog.String("queue", path.Base(queueURL)),
		slog.Int("letters", letters), slog.Any("filter", chosen), slog.String("reason", reason),
	}
	if failure != nil {
		attributes = append(attributes, slog.String("error", failure.Error()))
	}
	slog.New(slog.NewJSONHandler(s.err, nil)).LogAttrs(ctx, slog.LevelInfo, "audit", attributes...)
}

// operator is who runs this.
func operator() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// reasoned is why an operator does what cannot be undone.
type reasoned struct {
	Reason string `placeholder:"TEXT" help:"Why, for the audit: a ticket and a few words, never patient data. Needed with --yes."`
	Yes    bool   `help:"Do it. Without it nothing is changed."`
}

func (r *reasoned) check() error {
	if r.Yes && strings.TrimSpace(r.Reason) == "" {
		return usageError{errors.New("why? --yes needs --reason, which is kept in the audit")}
	}
	return nil
}
