package localsqs

import (
	"crypto/rand"
	"fmt"
	"regexp"
)

// id is a random UUID (RFC 9562 §5.4), as SQS uses for message ids.
type id [16]byte

func newID() id {
	var u id
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u id) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// uuid is how an id is written.
var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
