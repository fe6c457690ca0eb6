package queue_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

var update = flag.Bool("update", false, "write the golden envelopes that are written today")

const body = `{"resourceType":"Bundle","note":"` + "\ufffe\uffff é" + `"}`

func message() *queue.Message {
	m := &queue.Message{
		ID: "an-id", Client: "practice-1", Type: "transaction", RequestID: "r-1", TraceParent: "00-1-2-01", Return: referral.ReturnMinimal, Awaited: true,
		AcceptedAt: time.Date(2026, 11, 22, 1, 2, 3, 456e6, time.UTC),
		Request: referral.Request{
			Org: "8003621566684455", KeyKind: referral.KeyIdentifier, Key: "urn:x|é", Method: "POST", URL: "/fhir",
			Conditions: [4]string{1: "*"}, ContentType: "application/fhir+json",
		},
	}
	m.Pack([]byte(body))
	return m
}

func TestEnvelopeRoundTrip(t *testing.T) {
	want := message()
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e }); i >= 0 {
		t.Errorf("the envelope is not ASCII at %d", i)
	}
	got, err := queue.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode(Encode) (-want +got):\n%s", diff)
	}
	content, err := got.Content()
	if err != nil || string(content) != body {
		t.Errorf("got content %q, error %v; want the bytes as received", content, err)
	}
}

func TestContentDetectsEveryChange(t *testing.T) {
	for name, change := range map[string]func(*queue.Message){
		"a bit of the body": func(m *queue.Message) { m.Body[len(m.Body)/2] ^= 1 },
		"a shorter body":    func(m *queue.Message) { m.Body = m.Body[:len(m.Body)-1] },
		"another body":      func(m *queue.Message) { sum := m.Request.SHA256; m.Pack([]byte("{}")); m.Request.SHA256 = sum },
		"the hash":          func(m *queue.Message) { m.Request.SHA256[0] ^= 1 },
		"the size":          func(m *queue.Message) { m.Size++ },
		"no body":           func(m *queue.Message) { m.Body = nil },
	} {
		m := message()
		change(m)
		if _, err := m.Content(); !errors.Is(err, queue.ErrIntegrity) {
			t.Errorf("%s: got error %v, want ErrIntegrity", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{"", "{}", "null", "[]", "zqx", `{"v":0}`, `{"v":1}`, `{"v":1,"sha256":"AAAA"}`, "\x00"} {
		_, err := queue.Decode(text)
		if !errors.Is(err, queue.ErrEnvelope) {
			t.Errorf("Decode(%q) = %v, want ErrEnvelope", text, err)
		} else if text == "zqx" && strings.Contains(err.Error(), "zqx") {
			t.Errorf("the error quotes the message: %v", err)
		}
	}
	if _, err := queue.Decode(`{"v":4}`); !errors.Is(err, queue.ErrVersion) {
		t.Errorf("got error %v for a newer version, want ErrVersion", err)
	}
}

// TestClaimedObject holds the body, for who knows bodies alone as well, and the message as it is sent.
func TestClaimedObject(t *testing.T) {
	keys := newKeys(t, 2)
	m := message()
	m.ID = keys.Mint(referral.Submission{Org: m.Request.Org, AcceptedAt: m.AcceptedAt, Digest: referral.Digest{7}})
	packed := m.Body
	key, object := m.CheckIn()
	sent, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := queue.Claimed(object); got != sent {
		t.Errorf("got message %q in the object, want %q", got, sent)
	}
	if org, digest, err := queue.ParseClaim(key); org != m.Request.Org || digest != (referral.Digest{7}) || err != nil || m.Claim != key {
		t.Errorf("key %s is of %s %x, error %v", key, org, digest, err)
	}
	if got, err := queue.Unpack(object); err != nil || string(got) != body {
		t.Errorf("an earlier release reads %q, error %v; want the body", got, err)
	}
	m.CheckOut(object)
	if !bytes.Equal(m.Body, packed) {
		t.Error("what is taken out is not what was put in")
	}
	m.CheckOut(packed) // an object of an earlier release
	if content, err := m.Content(); err != nil || string(content) != body || queue.Claimed(packed) != "" {
		t.Errorf("got content %q, error %v, message %q; want the body alone", content, err, queue.Claimed(packed))
	}
	if got := queue.Claimed([]byte("\x50\x2a\x4d\x18\xff\xff\xff\xffx")); got != "" {
		t.Errorf("got %q of an object that was cut", got)
	}
	hash := strings.Repeat("0a", 32)
	if org, digest, err := queue.ParseClaim("x/" + hash); org != "x" || digest != (referral.Digest{}) || err != nil {
		t.Errorf("got %s %x, error %v; want the key of an earlier release", org, digest, err)
	}
	for _, key := range []string{"", "dead-letters/x/y/" + hash, "x/" + hash + ".body", "x/" + hash + ".ABC", hash} {
		if _, _, err := queue.ParseClaim(key); !errors.Is(err, queue.ErrEnvelope) {
			t.Errorf("%s: got error %v, want ErrEnvelope", key, err)
		}
	}
}

// TestEnvelopeWithoutABody: a deletion has none.
func TestEnvelopeWithoutABody(t *testing.T) {
	want := message()
	want.Pack(nil)
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := queue.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := got.Content(); err != nil || len(content) > 0 || got.Request.SHA256 != want.Request.SHA256 {
		t.Errorf("got content %q, error %v; want none", content, err)
	}
}

// TestGoldenEnvelopes reads an envelope of every version that was ever written.
func TestGoldenEnvelopes(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "envelopes")
	if *update {
		for file, fill := range map[string]bool{"v2.json": false, "v3.json": true} {
			m := message()
			if fill {
				m.AllowFill(newKeys(t, 2))
			}
			text, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for file, since := range map[string]func(*queue.Message){
		"v1.json": func(m *queue.Message) { m.Return, m.Awaited = "", false },
		"v2.json": func(*queue.Message) {},
		"v3.json": func(m *queue.Message) { m.AllowFill(newKeys(t, 2)) },
	} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := queue.Decode(string(text))
			if err != nil {
				t.Fatal(err)
			}
			want := message()
			since(want)
			want.Body = got.Body // another compressor may pack the same bytes otherwise
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			if content, err := got.Content(); err != nil || string(content) != body {
				t.Errorf("got content %q, error %v; want the bytes as received", content, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	text, err := message().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := queue.Decode(text)
		if err != nil {
			return
		}
		_, _ = m.Content() // must neither panic nor expand without bound
	})
}
