package localsqs

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"testing"
)

// TestMD5OfAttributes writes the digest's input out by hand: names sorted, each part with its length in
// four bytes, 1 for text and 2 for binary.
func TestMD5OfAttributes(t *testing.T) {
	text, number := "value", "7"
	attributes := map[string]attributeValue{
		"b": {DataType: "Binary.png", BinaryValue: []byte{0xff, 0}},
		"c": {DataType: "Number", StringValue: &number},
		"a": {DataType: "String", StringValue: &text},
	}
	input := bytes.Join([][]byte{
		[]byte("\x00\x00\x00\x01a\x00\x00\x00\x06String\x01\x00\x00\x00\x05value"),
		[]byte("\x00\x00\x00\x01b\x00\x00\x00\x0aBinary.png\x02\x00\x00\x00\x02\xff\x00"),
		[]byte("\x00\x00\x00\x01c\x00\x00\x00\x06Number\x01\x00\x00\x00\x017"),
	}, nil)
	sum := md5.Sum(input)
	if got, want := md5OfAttributes(attributes), hex.EncodeToString(sum[:]); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	if got := md5OfAttributes(nil); got != "" {
		t.Errorf("digest without attributes %q, want none", got)
	}
}
