package localsqs

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	maxMessageSize = 1 << 20 // SQS message quotas: message size, also of a whole batch
	maxAttributes  = 10      // SQS message quotas: message attributes
	maxDelay       = 900     // seconds
)

// attributeValue is a message attribute on the wire and in the database.
type attributeValue struct {
	DataType    string  `json:"DataType"`
	StringValue *string `json:"StringValue,omitempty"`
	BinaryValue []byte  `json:"BinaryValue,omitempty"`
}

// outgoing is what a sender gives for one message, alone or as an entry of a batch.
type outgoing struct {
	MessageBody             *string
	DelaySeconds            *int
	MessageAttributes       map[string]attributeValue
	MessageSystemAttributes map[string]attributeValue
	MessageGroupID          *string `json:"MessageGroupId"`
	MessageDeduplicationID  *string `json:"MessageDeduplicationId"`
}

var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	dataType      = regexp.MustCompile(`^(String|Number|Binary)(\..+)?$`)
	groupID       = regexp.MustCompile(`^[!-~]{1,128}$`)
)

// check says whether SQS would take the message into a standard queue with the given size limit.
func (m *outgoing) check(limit int) error {
	if m.MessageBody == nil || *m.MessageBody == "" {
		return errMissingParameter("MessageBody")
	}
	if !validContent(*m.MessageBody) {
		return errInvalidMessageContents()
	}
	if d := m.DelaySeconds; d != nil && (*d < 0 || *d > maxDelay) {
		return errOutOfRange("DelaySeconds", *d, 0, maxDelay)
	}
	if m.MessageDeduplicationID != nil {
		return errInvalidParameter("The request includes a parameter that is not valid for this queue type: MessageDeduplicationId.")
	}
	if m.MessageGroupID != nil && !groupID.MatchString(*m.MessageGroupID) {
		return errInvalidParameter("MessageGroupId can only include alphanumeric and punctuation characters, 1 to 128 in length.")
	}
	if len(m.MessageAttributes) > maxAttributes {
		return errInvalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(m.MessageAttributes), maxAttributes)
	}
	for name, a := range m.MessageAttributes {
		if err := a.check(name); err != nil {
			return err
		}
	}
	for name, a := range m.MessageSystemAttributes {
		if name != "AWSTraceHeader" || a.DataType != "String" || a.StringValue == nil {
			return errInvalidParameter("The message system attribute must be AWSTraceHeader of type String.")
		}
		if !validContent(*a.StringValue) {
			return errInvalidMessageContents()
		}
	}
	if m.size() > limit {
		return errInvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	return nil
}

func (a attributeValue) check(name string) error {
	lower := strings.ToLower(name)
	switch {
	case len(name) > 256, !attributeName.MatchString(name), strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."):
		return errInvalidParameter("A message attribute's name is invalid.")
	case len(a.DataType) > 256, !dataType.MatchString(a.DataType), !validContent(a.DataType):
		return errInvalidParameter("The type of message attribute '%s' is invalid.", name)
	case a.StringValue != nil && !validContent(*a.StringValue):
		return errInvalidMessageContents()
	case strings.HasPrefix(a.DataType, "Binary"):
		if len(a.BinaryValue) == 0 {
			return errInvalidParameter("The message attribute '%s' must contain a non-empty BinaryValue.", name)
		}
	case a.StringValue == nil || *a.StringValue == "":
		return errInvalidParameter("The message attribute '%s' must contain a non-empty StringValue.", name)
	}
	return nil
}

// size is what counts towards MaximumMessageSize: the body and the names, types and values of attributes.
func (m *outgoing) size() int {
	var n int
	if m.MessageBody != nil {
		n = len(*m.MessageBody)
	}
	for name, a := range m.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

// traceHeader is the X-Ray trace header sent with the message, or nil.
func (m *outgoing) traceHeader() *string {
	return m.MessageSystemAttributes["AWSTraceHeader"].StringValue
}

// validContent applies the rule of SQS message quotas: content characters,
// #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.
func validContent(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}
