// Package blob keeps the bodies that are too large for a message: the claim check. The object is written first and
// the message sent second, so that a message never names what is not there; an object without a message is harmless.
//
// It promises that Put returns nil only once the object is durable, and that putting the same object again changes
// nothing. What an object holds is proved by the hash in the envelope, not here.
package blob

import "errors"

// ErrNotFound says that there is no such object, or not yet.
var ErrNotFound = errors.New("no such object")
