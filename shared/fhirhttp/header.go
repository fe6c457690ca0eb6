package fhirhttp

import (
	"net/http"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// What a request's header may have, the same on every host: API Gateway takes 10,240 bytes, the names that it adds
// itself among them (API Gateway quotas: total combined size of request line and header values).
const (
	maxHeaderBytes = 8 << 10
	maxHeaders     = 100
)

const tooMuchHeader = "The header of the request is larger than 8 KiB, or has more than 100 lines"

// checkHeader returns a 431 *fhir.Error for a header beyond these limits.
func checkHeader(header http.Header) error {
	size, lines := 0, 0
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
			lines++
		}
	}
	if size > maxHeaderBytes || lines > maxHeaders {
		return fhir.NewError(fhir.CodeInvalid, "", tooMuchHeader).WithStatus(http.StatusRequestHeaderFieldsTooLarge)
	}
	return nil
}
