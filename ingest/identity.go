package ingest

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// acceptedPrecision is that of the time in a submission id and in a UUIDv7.
const acceptedPrecision = time.Millisecond

// submissionKey returns what tells one submission of an organisation from another: the Idempotency-Key, else the
// identifier of a document, message or collection, else the request itself where repeating it must do nothing new
// (a transaction or batch of creates only), else chance.
func submissionKey(header string, bundle fhir.Bundle) (referral.KeyKind, string) {
	if header != "" {
		return referral.KeyHeader, header
	}
	requests := bundle.Type == "transaction" || bundle.Type == "batch"
	if !requests {
		if identifier := bundle.Get("identifier"); identifier.Get("value") != nil {
			// The length tells a|b and c from a and b|c.
			system := identifier.Get("system").Text()
			return referral.KeyIdentifier, strconv.Itoa(len(system)) + ":" + system + "|" + identifier.Get("value").Text()
		}
	}
	if requests && onlyCreates(bundle) {
		return referral.KeyRequest, "" // the hash of the body is in the digest already
	}
	return referral.KeyRandom, rand.Text()
}

func onlyCreates(bundle fhir.Bundle) bool {
	for _, entry := range bundle.Entries {
		if entry.At("request", "method").Text() != "POST" {
			return false
		}
	}
	return true
}
