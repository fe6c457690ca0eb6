package queue_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/queue"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

func newKeys(t testing.TB, km byte) *referral.Keys {
	t.Helper()
	keys, err := referral.NewKeys(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{km}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestProvesFill holds of the message whose proof it is alone.
func TestProvesFill(t *testing.T) {
	keys := newKeys(t, 2)
	for name, test := range map[string]struct {
		change func(*queue.Message)
		want   bool
	}{
		"as it was":            {func(*queue.Message) {}, true},
		"another id":           {func(m *queue.Message) { m.ID = "another-id" }, false},
		"another organisation": {func(m *queue.Message) { m.Request.Org = "8003624900041689" }, false},
		"a bit flipped":        {func(m *queue.Message) { m.Fill[15] ^= 1 }, false},
		"cut":                  {func(m *queue.Message) { m.Fill = m.Fill[:15] }, false},
		"empty":                {func(m *queue.Message) { m.Fill = []byte{} }, false},
		"none":                 {func(m *queue.Message) { m.Fill = nil }, false},
		"of another key":       {func(m *queue.Message) { m.AllowFill(newKeys(t, 3)) }, false},
		"of another purpose":   {func(m *queue.Message) { s := keys.Sign("page", m.Request.Org, m.ID); m.Fill = s[:] }, false},
	} {
		m := message()
		m.AllowFill(keys)
		test.change(m)
		if got := m.ProvesFill(keys); got != test.want {
			t.Errorf("%s: got %t, want %t", name, got, test.want)
		}
	}
}

// TestVersionOfWhatFills: a version without what it is for is none that was ever written.
func TestVersionOfWhatFills(t *testing.T) {
	m := message()
	m.AllowFill(newKeys(t, 2))
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, `{"v":3,`) {
		t.Errorf("got %.10s, want version 3", text)
	}
	m.Fill = nil
	if text, err = m.Encode(); err != nil || !strings.HasPrefix(text, `{"v":2,`) {
		t.Fatalf("got %.10s, error %v; want version 2", text, err)
	}
	for _, forged := range []string{`{"v":3,`, `{"v":3,"fill":true,`, `{"v":3,"fill":null,`} {
		if _, err := queue.Decode(strings.Replace(text, `{"v":2,`, forged, 1)); !errors.Is(err, queue.ErrEnvelope) {
			t.Errorf("%s: got error %v, want ErrEnvelope", forged, err)
		}
	}
}
