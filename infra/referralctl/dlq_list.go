package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/dlq"
	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
)

// letter is what is shown of a dead letter: nothing of the patient.
type letter struct {
	ID         string    `json:"id"`
	MessageID  string    `json:"messageId"`
	Org        string    `json:"org,omitempty"`
	Type       string    `json:"type,omitempty"`
	Class      string    `json:"class,omitempty"`
	Code       string    `json:"code,omitempty"`
	AcceptedAt time.Time `json:"acceptedAt"`
	SentAt     time.Time `json:"sentAt"`
	Receives   int       `json:"receives"`
}

func shown(l *dlq.Letter) letter {
	return letter{
		ID: l.ID(), MessageID: l.MessageID, Org: l.Org(), Type: l.Type(), Class: l.Class, Code: l.Code,
		AcceptedAt: l.Since(), SentAt: l.SentAt, Receives: l.Receives,
	}
}

func age(since time.Time) string {
	d := max(0, time.Since(since))
	if d >= 48*time.Hour {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.Truncate(time.Second).String()
}

type listLettersCommand struct {
	queues
	chosen
}

// Help is printed by dlq list --help.
func (*listLettersCommand) Help() string {
	return "Oldest first, by the time of acceptance. The id is the submission's, or where there is no envelope the message's. Class and " +
		"code are the message attributes of these names; without them the queue itself gave the message up. " + lookingHides
}

// Run lists.
func (c *listLettersCommand) Run(ctx context.Context, s *streams) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	_, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	letters, err := look(ctx, s, q, filter, c.Max)
	if err != nil {
		return err
	}
	depth, err := c.waiting(ctx, q)
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(map[string]any{"queue": path.Base(q.URL), "letters": letters, "inFlight": depth.InFlight})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "age\treceives\ttype\tclass\tcode\torg\tid")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", age(l.AcceptedAt), l.Receives, text(l.Type), text(l.Class), text(l.Code), text(l.Org), text(l.ID))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sum := fmt.Sprintf("%d dead letters", len(letters))
	if depth.InFlight > 0 {
		sum += fmt.Sprintf("; others have received %d, which may not be among them", depth.InFlight)
	}
	_, err = fmt.Fprintln(s.out, sum)
	return err
}

// text is what a table shows of what a sender may have chosen.
func text(value string) string { return dash(clip(value, 64)) }

// look returns the letters that f takes, the oldest first.
func look(ctx context.Context, s *streams, q *dlq.Queue, f dlq.Filter, limit int) ([]letter, error) {
	letters, progress := []letter{}, newBar(s, 0)
	_, err := q.Scan(ctx, f, limit, func(_ context.Context, some []*dlq.Letter) error {
		for _, l := range some {
			letters = append(letters, shown(l))
		}
		progress.draw(0, fmt.Sprintf("%d dead letters", len(letters)), false)
		return nil
	})
	progress.clear()
	slices.SortFunc(letters, func(a, b letter) int { return cmp.Or(a.AcceptedAt.Compare(b.AcceptedAt), cmp.Compare(a.ID, b.ID)) })
	return letters, err
}

type showLetterCommand struct {
	queues
	claims
	ID   string `arg:"" help:"The id of the submission or of the message, as listed."`
	Body bool   `help:"Print the body as the sender sent it: patient data."`
}

// Help is printed by dlq show --help.
func (*showLetterCommand) Help() string {
	return "Without --body it shows no patient data: of the URL only its path, of conditions and keys nothing. " + lookingHides
}

// Run shows a letter.
func (c *showLetterCommand) Run(ctx context.Context, s *streams) error {
	settings, q, err := c.deadLetters(ctx)
	if err != nil {
		return err
	}
	var found *dlq.Letter
	_, err = q.Scan(ctx, dlq.Filter{ID: c.ID}, 1, func(_ context.Context, letters []*dlq.Letter) error {
		found = letters[0]
		return nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("no dead letter %s is to be seen; referralctl dlq list shows all, except those that others have received", c.ID)
	}
	if c.Body {
		return c.printBody(ctx, s, settings, q, found)
	}
	e := shownEnvelope{letter: shown(found), Size: len(found.Body())}
	if m := found.Message; m != nil {
		e.envelope(m)
	}
	if s.json {
		return s.printJSON(e)
	}
	return e.print(s.out)
}

// shownEnvelope is what is shown of a letter's envelope.
type shownEnvelope struct {
	letter
	Client      string `json:"client,omitempty"`
	Method      string `json:"method,omitempty"`
	Path        string `json:"path,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	KeyKind     string `json:"keyKind,omitempty"`
	RequestID   string `json:"requestId,omitempty"`
	TraceParent string `json:"traceParent,omitempty"`
	Claim       string `json:"claim,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
	Size        int    `json:"size"` // bytes: of the body as received, or where there is no envelope of the message
}

func (e *shownEnvelope) envelope(m *queue.Message) {
	e.Client, e.Method, e.ContentType, e.KeyKind = m.Client, m.Request.Method, m.Request.ContentType, string(m.Request.KeyKind)
	e.Path, _, _ = strings.Cut(m.Request.URL, "?") // a condition may name a patient
	e.RequestID, e.TraceParent, e.Claim, e.Size = m.RequestID, m.TraceParent, m.Claim, m.Size
	e.SHA256 = fmt.Sprintf("%x", m.Request.SHA256)
}

func (e *shownEnvelope) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"id", e.ID}, {"message", e.MessageID}, {"organisation", e.Org}, {"client", e.Client}, {"type", e.Type},
		{"class", e.Class}, {"code", e.Code}, {"accepted", e.AcceptedAt.Format(time.RFC3339)}, {"sent", e.SentAt.Format(time.RFC3339)},
		{"receives", fmt.Sprint(e.Receives)}, {"request", strings.TrimSpace(e.Method + " " + e.Path)}, {"content type", e.ContentType},
		{"key", e.KeyKind}, {"request id", e.RequestID}, {"trace", e.TraceParent}, {"claim", e.Claim}, {"sha256", e.SHA256},
		{"size", fmt.Sprintf("%d bytes", e.Size)},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], clip(line[1], 128))
		}
	}
	if e.SHA256 == "" {
		fmt.Fprintln(w, "envelope\tnone that this version can read")
	}
	return w.Flush()
}

// printBody prints the body as it was sent, of a message that is no envelope the message. That is audited.
func (c *showLetterCommand) printBody(ctx context.Context, s *streams, settings aws.Config, q *dlq.Queue, l *dlq.Letter) error {
	blobs, err := c.claims.open(settings)
	if err != nil {
		return err
	}
	body, err := content(ctx, l, blobs)
	s.audit(ctx, "dlq show --body", q.URL, "", map[string]string{"id": l.ID()}, 1, err)
	if err != nil {
		return fmt.Errorf("the body of %s cannot be shown: %w", l.ID(), err)
	}
	if s.json {
		return s.printJSON(map[string]any{"letter": shown(l), "body": string(body)})
	}
	fmt.Fprintln(s.err, "referralctl: what follows is patient data. Leave it in no file, log or ticket.")
	_, err = s.out.Write(append(body, '\n'))
	return err
}

func content(ctx context.Context, l *dlq.Letter, blobs blob.Store) (body []byte, err error) {
	m := l.Message
	if m == nil {
		return []byte(l.Body()), nil
	}
	if m.Claim != "" {
		if blobs == nil {
			return nil, errors.New("it was too large for the queue; set REFERRAL_BLOB_BUCKET or REFERRAL_BLOB_DIR")
		}
		object, err := blobs.Get(ctx, m.Claim)
		if err != nil {
			return nil, err
		}
		m.CheckOut(object)
	}
	return m.Content()
}
