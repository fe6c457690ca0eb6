package localsqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strings"
)

// md5OfBody is MD5OfMessageBody before its hexadecimal form.
func md5OfBody(body string) []byte {
	sum := md5.Sum([]byte(body))
	return sum[:]
}

// md5OfAttributes is MD5OfMessageAttributes, empty without attributes. The order and the encoding are those
// of "Calculating the MD5 message digest for message attributes" in the SQS Developer Guide.
func md5OfAttributes(attributes map[string]attributeValue) string {
	if len(attributes) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		writeSized(h, []byte(name))
		writeSized(h, []byte(a.DataType))
		if strings.HasPrefix(a.DataType, "Binary") {
			h.Write([]byte{2})
			writeSized(h, a.BinaryValue)
		} else {
			h.Write([]byte{1})
			writeSized(h, []byte(*a.StringValue))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeSized(h hash.Hash, b []byte) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	h.Write(b)
}
