package dlq

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ausbizconsulting/referral-fhir-server/shared/blob"
)

// Archive is where letters are kept that the queue may forget.
type Archive struct {
	Store  blob.Store
	Claims blob.Store // of bodies that were too large for the queue; nil: a letter that claims its body cannot be archived
}

// Prefix begins the keys, beside which claim checks may live.
const Prefix = "dead-letters/"

// bodySuffix ends the key of the body that a letter claims, behind the letter's.
const bodySuffix = ".body"

// record is what an object holds: all that it takes to send the message again. It has nothing that depends on when the
// letter is looked at, so that archiving again makes the same object.
type record struct {
	Version     int                  `json:"v"`
	MessageID   string               `json:"messageId"`
	SentAt      int64                `json:"sentAt"` // unix ms
	GroupID     string               `json:"messageGroupId,omitempty"`
	TraceHeader string               `json:"awsTraceHeader,omitempty"`
	Attributes  map[string]attribute `json:"messageAttributes,omitempty"`
	Body        string               `json:"body"`
}

type attribute struct {
	Type   string `json:"dataType"`
	String string `json:"stringValue,omitempty"`
	Binary []byte `json:"binaryValue,omitempty"`
}

// Archived is a letter in the archive.
type Archived struct {
	ID  string `json:"id"`
	Key string `json:"key"`
	// Claim is the key of the body that the letter claims; LostClaim says that it claims one which is not there.
	Claim     string `json:"claim,omitempty"`
	LostClaim bool   `json:"lostClaim,omitempty"`
}

// Archive copies letters, and reads each copy back. They stay in the queue. It returns ErrNewer when it has passed some
// over, and archived the others.
func (q *Queue) Archive(ctx context.Context, f Filter, limit int, to Archive, kept func(Archived)) error {
	newer := false
	_, err := q.scan(ctx, f, limit, 1, func(ctx context.Context, _ *scan, letters []*Letter) error {
		known := slices.DeleteFunc(slices.Clone(letters), func(l *Letter) bool { return l.Newer })
		newer = newer || len(known) < len(letters)
		return to.keep(ctx, known, kept)
	})
	if err == nil && newer {
		err = ErrNewer
	}
	return err
}

// Discard archives letters, has end settle what they are of, and then deletes them. Kept is told of each that has been
// archived and is to go. It stops with ErrNewer at a letter whose submission it could not end.
func (q *Queue) Discard(ctx context.Context, f Filter, limit int, to Archive, end func(context.Context, *Letter) error, kept func(Archived)) error {
	_, err := q.scan(ctx, f, limit, 1, func(ctx context.Context, s *scan, letters []*Letter) error {
		if slices.ContainsFunc(letters, func(l *Letter) bool { return l.Newer }) {
			return ErrNewer
		}
		if err := to.keep(ctx, letters, kept); err != nil {
			return err
		}
		for _, l := range letters {
			if err := end(ctx, l); err != nil {
				return fmt.Errorf("settle %s: %w", l.ID(), err)
			}
		}
		return s.delete(ctx, letters)
	})
	return err
}

func (a Archive) keep(ctx context.Context, letters []*Letter, kept func(Archived)) error {
	for _, l := range letters {
		archived, err := a.keepOne(ctx, l)
		if err != nil {
			return fmt.Errorf("archive %s: %w", l.ID(), err)
		}
		kept(archived)
	}
	return nil
}

// plain is what a part of a key may be; a forged envelope may name itself anything.
var plain = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

func (a Archive) keepOne(ctx context.Context, l *Letter) (Archived, error) {
	r := record{
		Version: 1, MessageID: l.MessageID, SentAt: l.SentAt.UnixMilli(), Body: l.Body(), Attributes: map[string]attribute{},
		GroupID:     l.received.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		TraceHeader: l.received.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)],
	}
	for name, v := range l.received.MessageAttributes {
		at := attribute{Type: *v.DataType, Binary: v.BinaryValue}
		if v.StringValue != nil {
			at.String = *v.StringValue
		}
		r.Attributes[name] = at
	}
	content, err := json.Marshal(r)
	if err != nil {
		return Archived{}, err
	}
	org, id := l.Org(), l.ID()
	if !plain.MatchString(org) {
		org = "unknown"
	}
	if !plain.MatchString(id) {
		id = l.MessageID
	}
	sum := sha256.Sum256(content)
	archived := Archived{ID: l.ID(), Key: Prefix + org + "/" + id + "/" + hex.EncodeToString(sum[:])}
	if l.Message != nil && l.Message.Claim != "" {
		if err := a.keepClaim(ctx, l.Message.Claim, &archived); err != nil {
			return Archived{}, err
		}
	}
	return archived, a.put(ctx, archived.Key, content)
}

var errNoClaims = errors.New("its body is not in the message; name where claim checks are kept, by REFERRAL_BLOB_BUCKET or REFERRAL_BLOB_DIR")

// keepClaim copies the body that a letter claims: the object it is in may be swept once the letter is gone. A letter
// may well have died of its claim's loss.
func (a Archive) keepClaim(ctx context.Context, claim string, archived *Archived) error {
	if a.Claims == nil {
		return errNoClaims
	}
	content, err := a.Claims.Get(ctx, claim)
	if errors.Is(err, blob.ErrNotFound) {
		archived.LostClaim = true
		return nil
	}
	if err != nil {
		return err
	}
	archived.Claim = archived.Key + bodySuffix
	return a.put(ctx, archived.Claim, content)
}

// put writes an object and reads it back. One that is there already, which its key's hash names, is left as it is: under
// object lock another version would stay as long as the first.
func (a Archive) put(ctx context.Context, key string, content []byte) error {
	if got, err := a.Store.Get(ctx, key); err == nil && bytes.Equal(got, content) {
		return nil
	}
	if err := a.Store.Put(ctx, key, content); err != nil {
		return err
	}
	got, err := a.Store.Get(ctx, key)
	if err == nil && !bytes.Equal(got, content) {
		err = errors.New("the archive holds something else than was written")
	}
	return err
}
