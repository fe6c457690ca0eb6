package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// Message is one accepted request on its way to the store.
type Message struct {
	ID          string           // submission id: proves D and the time of acceptance for Request.Org
	Client      string           // who sent it, within the organisation
	Request     referral.Request // what identifies it
	Type        string           // Bundle.type; of a single resource the interaction: create, update, patch or delete
	AcceptedAt  time.Time        // UTC, whole milliseconds
	RequestID   string
	TraceParent string          // W3C Trace Context, or empty
	Return      referral.Return // what the sender wants to see of what was written
	Awaited     bool            // whether somebody waits for the settlement and is to be told of it
	Fill        []byte          // proof of AllowFill; nil: the sender becomes the owner of no Task of others
	Encoding    string          // of Body: "zstd"
	Size        int             // bytes of the body as received
	Body        []byte          // the body as received, compressed; nil while it is claimed
	Claim       string          // key of the object that holds Body, where that is too large for the queue; else empty
}

// ErrIntegrity says that a body is not the one that was accepted.
var ErrIntegrity = errors.New("the body is not the one that was accepted")

// ErrVersion says that an envelope was made by a newer version of this software.
var ErrVersion = errors.New("the envelope is of a newer version")

// ErrEnvelope says that a message is no envelope of any version: ingest did not make it.
var ErrEnvelope = errors.New("not an envelope")

// ErrTooLarge says that an envelope is larger than the queue takes.
var ErrTooLarge = errors.New("the message is larger than the queue takes")

// encodingZstd is the one encoding that is written (RFC 8878).
const encodingZstd = "zstd"

// Both are safe for concurrent use with EncodeAll and DecodeAll. 64 MiB bounds what a forged body may expand to.
var (
	encoder = ready(must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(64<<20)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("queue: zstd with constant options: " + err.Error())
	}
	return v
}

// ready makes what the encoder would otherwise make with the first message.
func ready(e *zstd.Encoder) *zstd.Encoder {
	e.EncodeAll([]byte("{}"), nil)
	return e
}

// Pack sets Body, Size, Encoding and Request.SHA256 from the body as received.
func (m *Message) Pack(body []byte) {
	m.Request.SHA256 = sha256.Sum256(body)
	m.Encoding, m.Size = encodingZstd, len(body)
	m.Body = encoder.EncodeAll(body, nil)
}

// Content returns the body as received, or ErrIntegrity when its hash or length is not the one in the envelope.
func (m *Message) Content() ([]byte, error) {
	if m.Encoding != encodingZstd {
		return nil, fmt.Errorf("%w: unknown encoding", ErrVersion)
	}
	body, err := Unpack(m.Body)
	if err != nil || len(body) != m.Size || sha256.Sum256(body) != m.Request.SHA256 {
		return nil, ErrIntegrity
	}
	return body, nil
}

// Unpack returns what a zstd-compressed body was made of.
func Unpack(packed []byte) ([]byte, error) { return decoder.DecodeAll(packed, nil) }

// envelopeVersion is written, but for what needs fillVersion; these and every earlier one are read. Golden files are in
// testdata/envelopes. Version 1 knew nothing but Bundles whose entries are created: a processor that knows no other would
// create what is to be updated. One that knows no more than version 2 would pass over what allows to fill, and refuse the
// request for good.
const (
	envelopeVersion = 2
	fillVersion     = 3
)

type envelope struct {
	Version     int       `json:"v"`
	ID          string    `json:"id"`
	Org         string    `json:"org"`
	Client      string    `json:"client"`
	AcceptedAt  int64     `json:"acceptedAt"` // unix ms
	Type        string    `json:"type"`
	KeyKind     string    `json:"keyKind"`
	Key         []byte    `json:"key"` // any Unicode, hence base64
	Method      string    `json:"method"`
	URL         []byte    `json:"url"`
	Conditions  [4][]byte `json:"conditions"`
	ContentType string    `json:"contentType"`
	RequestID   string    `json:"requestId"`
	TraceParent string    `json:"traceParent,omitempty"`
	Return      string    `json:"return,omitempty"`
	Awaited     bool      `json:"awaited,omitempty"`
	Fill        []byte    `json:"fill,omitempty"`
	SHA256      []byte    `json:"sha256"`
	Encoding    string    `json:"encoding"`
	Size        int       `json:"size"`
	Body        []byte    `json:"body,omitempty"`
	Claim       string    `json:"claim,omitempty"`
}

// Encode returns the envelope: one line of ASCII JSON. It fails only when a field that must be ASCII is not.
func (m *Message) Encode() (string, error) {
	e := envelope{
		Version: envelopeVersion, ID: m.ID, Org: m.Request.Org, Client: m.Client, AcceptedAt: m.AcceptedAt.UnixMilli(),
		Type: m.Type, KeyKind: string(m.Request.KeyKind), Key: []byte(m.Request.Key), Method: m.Request.Method,
		URL: []byte(m.Request.URL), ContentType: m.Request.ContentType, RequestID: m.RequestID, TraceParent: m.TraceParent,
		Return: string(m.Return), Awaited: m.Awaited, SHA256: m.Request.SHA256[:], Encoding: m.Encoding, Size: m.Size, Body: m.Body, Claim: m.Claim,
		Fill: m.Fill,
	}
	if e.Fill != nil {
		e.Version = fillVersion
	}
	for i, condition := range m.Request.Conditions {
		e.Conditions[i] = []byte(condition)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode envelope: %w", err)
	}
	if i := bytes.IndexFunc(b, func(r rune) bool { return r > 0x7e || r < 0x20 }); i >= 0 {
		return "", errors.New("encode envelope: a field is not ASCII")
	}
	return string(b), nil
}

// Decode reads an envelope of this or an earlier version. It returns ErrVersion for a later one, which a newer
// processor will understand, and ErrEnvelope for what is none. The body is not looked into.
func Decode(s string) (*Message, error) {
	var e envelope
	if err := json.Unmarshal([]byte(s), &e); err != nil {
		return nil, ErrEnvelope // the cause would quote the message
	}
	switch {
	case e.Version > fillVersion:
		return nil, ErrVersion
	case e.Version < 1 || len(e.SHA256) != sha256.Size || e.Version == fillVersion && e.Fill == nil:
		return nil, ErrEnvelope
	}
	m := &Message{
		ID: e.ID, Client: e.Client, Type: e.Type, AcceptedAt: time.UnixMilli(e.AcceptedAt).UTC(),
		RequestID: e.RequestID, TraceParent: e.TraceParent, Return: referral.Return(e.Return), Awaited: e.Awaited, Fill: e.Fill, Encoding: e.Encoding, Size: e.Size, Body: e.Body, Claim: e.Claim,
		Request: referral.Request{
			Org: e.Org, KeyKind: referral.KeyKind(e.KeyKind), Key: string(e.Key), Method: e.Method, URL: string(e.URL),
			ContentType: e.ContentType, SHA256: [32]byte(e.SHA256),
		},
	}
	for i, condition := range e.Conditions {
		m.Request.Conditions[i] = string(condition)
	}
	return m, nil
}
