package queue

import (
	"errors"
	"fmt"
	"log/slog"
)

// Format writes the type and size whatever the verb, so that no patient data reaches a log or an error by %v.
func (m Message) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[queue message, %d bytes]", m.Size) }

// LogValue is Format for log/slog.
func (m Message) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(m)) }

// MarshalJSON fails: a log must not hold the content, and what is sent without it must not pass for a message.
func (m Message) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a queue message is written with Encode")
}
