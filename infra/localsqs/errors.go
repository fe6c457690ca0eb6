package localsqs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"
)

// apiError is an error as SQS reports it: shape is the modelled exception's name, from which JSON clients
// make their typed error; code is the older query protocol's, which the SDKs show as the error code.
type apiError struct {
	shape   string
	code    string
	message string
	fault   bool // ours, not the sender's
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// status is the HTTP status that SQS gives it.
func (e *apiError) status() int {
	switch {
	case e.fault:
		return http.StatusServiceUnavailable
	case e.shape == "ResourceNotFoundException":
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

func errQueueDoesNotExist() error {
	return &apiError{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", false}
}

func errQueueNameExists(attribute string) error {
	return &apiError{"QueueNameExists", "QueueAlreadyExists",
		"A queue already exists with the same name and a different value for attribute " + attribute, false}
}

func errInvalidAddress() error {
	return &apiError{"InvalidAddress", "InvalidAddress", "The address is not valid for this endpoint.", false}
}

func errInvalidAttributeName(name string) error {
	return &apiError{"InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute " + name + ".", false}
}

func errInvalidAttributeValue(name string) error {
	return &apiError{"InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter " + name + ".", false}
}

func errInvalidMessageContents() error {
	return &apiError{"InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", false}
}

func errReceiptHandleIsInvalid() error {
	return &apiError{"ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid.", false}
}

func errMessageNotInflight() error {
	return &apiError{"MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "The specified message isn't in flight.", false}
}

func errUnsupportedOperation(what string) error {
	return &apiError{"UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", what, false}
}

func errBatch(shape, message string) error {
	return &apiError{shape, "AWS.SimpleQueueService." + shape, message, false}
}

func errMissingParameter(name string) error {
	return &apiError{"MissingParameter", "MissingParameter", "The request must contain the parameter " + name + ".", false}
}

func errInvalidParameter(format string, args ...any) error {
	return &apiError{"InvalidParameterValue", "InvalidParameterValue", fmt.Sprintf(format, args...), false}
}

func errOutOfRange(name string, value, low, high int) error {
	return errInvalidParameter("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", value, name, low, high)
}

func errResourceNotFound(message string) error {
	return &apiError{"ResourceNotFoundException", "ResourceNotFoundException", message, false}
}

func errSerialization(message string) error {
	return &apiError{"SerializationException", "MalformedInput", message, false}
}

func errClosing() error {
	return &apiError{"ServiceUnavailable", "ServiceUnavailable", "The server is stopping.", true}
}

// asAPIError gives the error that the client sees. What is not an apiError is a failure of the database:
// the client learns that it may try again, the operator learns why.
func asAPIError(err error) (shown *apiError, internal bool) {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e, false
	}
	return &apiError{"InternalFailure", "InternalFailure", "The request could not be completed. Try again.", true}, true
}

// cause is what may be logged of a failure: of a PostgreSQL error only its SQLSTATE and constraint, since
// its message can quote the values of a statement.
func cause(err error) slog.Attr {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slog.Group("postgres", "sqlstate", e.Code, "constraint", e.ConstraintName)
	}
	return slog.String("error", err.Error())
}
