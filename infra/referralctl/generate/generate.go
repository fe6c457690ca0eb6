// Package generate makes synthetic Australian referrals for tests and measurements.
//
// It promises that the same seed and options make the same bytes, that identifiers have right check digits, that
// every reference leads to an entry of its Bundle or names an identifier, and that the Bundles are shaped as AU Core
// 2.0.0 and AU Base 6.0.0 expect. All people, places and practices are invented; telephone numbers are those that
// ACMA keeps for fiction, and each Bundle says in meta.security that it is test data. Sending is left to others.
package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// The bounds of Options. The largest Bundle of all, with MaxEntries and MaxAttachment, is below 4 MiB.
const (
	MinEntries     = 5
	DefaultEntries = 15
	MaxEntries     = 200
	MaxAttachment  = 3_000_000 // bytes before base64
)

// The organisations of a development server's clients dev-sender and dev-recipient.
const (
	DevSender    = "8003621566684455"
	DevRecipient = "8003624900041689"
)

// Options describe a referral. The zero value is a referral of 15 entries without attachment, of any specialty, from
// dev-sender to dev-recipient.
type Options struct {
	Entries         int    // MinEntries to MaxEntries; 0: DefaultEntries
	AttachmentBytes int    // size of the referral letter before base64, up to MaxAttachment; 0: no letter
	Specialty       string // one of Specialties; "": any
	Sender          string // HPI-O of the referring practice; "": DevSender
	Recipient       string // HPI-O of the clinic that is asked; "": DevRecipient
}

// Validate says what is wrong with o, in the words of an operator.
func (o Options) Validate() error {
	switch {
	case o.Entries != 0 && (o.Entries < MinEntries || o.Entries > MaxEntries):
		return fmt.Errorf("a referral has %d to %d entries", MinEntries, MaxEntries)
	case o.AttachmentBytes < 0 || o.AttachmentBytes > MaxAttachment:
		return fmt.Errorf("an attachment has 0 to %d bytes", MaxAttachment)
	case o.Specialty != "" && findSpecialty(o.Specialty) == nil:
		return fmt.Errorf("the specialties are %s", strings.Join(Specialties(), ", "))
	case o.Sender != "" && !validHI(o.Sender, hpioPrefix), o.Recipient != "" && !validHI(o.Recipient, hpioPrefix):
		return fmt.Errorf("an HPI-O has 16 digits, begins with %s and ends in a check digit", hpioPrefix)
	}
	return nil
}

// Generator makes referrals, each another one. It is for one goroutine.
type Generator struct {
	rand   *rand.Rand
	source *rand.ChaCha8
	buffer bytes.Buffer
}

// New returns a Generator whose referrals depend on seed alone.
func New(seed uint64) *Generator {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	source := rand.NewChaCha8(key)
	return &Generator{rand: rand.New(source), source: source}
}

// Bundle returns a transaction Bundle in JSON on one line. It panics unless o is valid.
func (g *Generator) Bundle(o Options) []byte {
	if err := o.Validate(); err != nil {
		panic("generate: " + err.Error())
	}
	if o.Entries == 0 {
		o.Entries = DefaultEntries
	}
	if o.Sender == "" {
		o.Sender = DevSender
	}
	if o.Recipient == "" {
		o.Recipient = DevRecipient
	}
	s := findSpecialty(o.Specialty)
	if s == nil {
		s = &specialties[g.rand.IntN(len(specialties))]
	}
	g.buffer.Reset()
	encoder := json.NewEncoder(&g.buffer)
	encoder.SetEscapeHTML(false) // narratives stay readable
	if err := encoder.Encode(newDraft(g, o, s).bundle()); err != nil {
		panic("generate: " + err.Error()) // strings, numbers and bytes only
	}
	return bytes.Clone(bytes.TrimSuffix(g.buffer.Bytes(), []byte("\n")))
}

// firstDay begins the four months in which all referrals are written; eastern Australia has no daylight saving then.
var firstDay = time.Date(2026, 5, 1, 8, 0, 0, 0, time.FixedZone("AEST", 10*60*60))

// moment returns a minute of a working day.
func (g *Generator) moment() time.Time {
	return firstDay.AddDate(0, 0, g.rand.IntN(120)).Add(time.Duration(g.rand.IntN(10*60)) * time.Minute)
}

func dateTime(t time.Time) string { return t.Format("2006-01-02T15:04:05-07:00") }

func date(t time.Time) string { return t.Format(time.DateOnly) }

// pick returns one of choices.
func pick[T any](g *Generator, choices []T) T { return choices[g.rand.IntN(len(choices))] }

// between returns a number from least to most.
func (g *Generator) between(least, most int) int { return least + g.rand.IntN(most-least+1) }

// fullURL returns a random urn:uuid (RFC 9562 §5.4, version 4).
func (g *Generator) fullURL() string {
	const hex = "0123456789abcdef"
	high, low := g.rand.Uint64()&^0xf000|0x4000, g.rand.Uint64()&^(3<<62)|2<<62
	b := make([]byte, 0, 45)
	b = append(b, "urn:uuid:"...)
	for i, word := range []uint64{high, low} {
		for shift := 60; shift >= 0; shift -= 4 {
			if at := i*64 + 60 - shift; at == 32 || at == 48 || at == 64 || at == 80 {
				b = append(b, '-')
			}
			b = append(b, hex[word>>shift&15])
		}
	}
	return string(b)
}
