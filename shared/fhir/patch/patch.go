// Package patch changes a resource by a JSON Patch (RFC 6902; FHIR R4 http.html#patch).
//
// It promises that a patch passes the same strict gate as a resource, that numbers and strings which it does not touch
// stand as they were written, that the result is bounded, and that errors name the operation and never a value. What
// comes out is for the caller to hold against the gate and the schemas.
package patch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// ContentType is the media type of a JSON Patch (RFC 6902 §6).
const ContentType = "application/json-patch+json"

const (
	maxOperations = 1000
	maxResult     = 4 << 20 // bytes, as a body
)

// InBinary returns the patch in a Binary, the resource of an entry whose method is PATCH (FHIR R4 http.html#patch). The
// error is a *fhir.Error.
func InBinary(resource *fhir.Value) ([]byte, error) {
	if resource.ResourceType() != "Binary" || resource.Get("contentType").Text() != ContentType {
		return nil, fhir.NewError(fhir.CodeNotSupported, "", "A patch is a Binary with the contentType "+ContentType)
	}
	patch, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(resource.Get("data").Text()), ""))
	if err != nil {
		return nil, fhir.NewError(fhir.CodeStructure, "", "The data of the patch is no base64")
	}
	return patch, nil
}

// Check returns an *fhir.Error, 400, when patch is no JSON Patch.
func Check(patch []byte) error {
	_, err := operations(patch)
	return err
}

// operations returns the operations of a patch, each with the members that its op asks for.
func operations(patch []byte) ([]fhir.Value, error) {
	// The gate takes objects: this one has a patch for its only member.
	document, err := fhir.Parse(wrapped(`{"patch":`, patch, `}`), "Patch", fhir.Limits{})
	if err != nil {
		return nil, err
	}
	operations := document.Get("patch").Items()
	if len(document.Items()) != 1 || document.Get("patch").Kind() != fhir.Array {
		return nil, fhir.NewError(fhir.CodeStructure, "", "A JSON Patch is an array of operations")
	}
	if len(operations) > maxOperations {
		return nil, fhir.NewError(fhir.CodeTooCostly, "", "A JSON Patch has at most "+strconv.Itoa(maxOperations)+" operations")
	}
	for i := range operations {
		if !isOperation(&operations[i]) {
			return nil, fhir.NewError(fhir.CodeStructure, "", place(i)+"has op (add, remove, replace, move, copy or test), path and, as its op asks, from or value; pointers begin with a slash")
		}
	}
	return operations, nil
}

func wrapped(before string, b []byte, after string) []byte {
	return append(append([]byte(before), b...), after...)
}

func place(i int) string { return "Operation " + strconv.Itoa(i) + " of the patch " }

func isOperation(o *fhir.Value) bool {
	switch o.Get("op").Text() {
	case "add", "replace", "test":
		return isPointer(o.Get("path")) && o.Get("value") != nil
	case "move", "copy":
		return isPointer(o.Get("path")) && isPointer(o.Get("from"))
	case "remove":
		return isPointer(o.Get("path"))
	}
	return false
}

// isPointer tells a JSON Pointer (RFC 6901) to something in a document.
func isPointer(v *fhir.Value) bool {
	return v.Kind() == fhir.String && strings.HasPrefix(v.Text(), "/")
}

// Apply returns the resource as patch changes it. Its type and id stay as they are. Errors are *fhir.Error: 400 for what
// is no patch, 422 for one that does not apply.
func Apply(resource, patch []byte) ([]byte, error) {
	all, err := operations(patch)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Get("op").Text() == "test" {
			continue
		}
		changed := all[i].Get("path").Text()
		if moved := all[i].Get("from").Text(); all[i].Get("op").Text() == "move" && isFixed(moved) {
			changed = moved
		}
		if isFixed(changed) {
			return nil, fhir.NewError(fhir.CodeBusinessRule, "", place(i)+"would change the resource's type or id")
		}
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, fhir.NewError(fhir.CodeStructure, "", "A JSON Patch is an array of operations")
	}
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices, options.EscapeHTML, options.AccumulatedCopySizeLimit = false, false, maxResult
	// One by one, to say which fails: the library's own words quote the document.
	for i := range decoded {
		resource, err = decoded[i:i+1].ApplyWithOptions(resource, options)
		switch {
		case err != nil && errors.Is(err, jsonpatch.ErrTestFailed):
			return nil, fhir.NewError(fhir.CodeBusinessRule, "", place(i)+"tests for another value than the resource has")
		case err != nil:
			return nil, fhir.NewError(fhir.CodeBusinessRule, "", place(i)+"does not apply: the resource has nothing where it points to")
		case len(resource) > maxResult:
			return nil, fhir.NewError(fhir.CodeTooLong, "", place(i)+"makes the resource too large").WithStatus(422)
		}
	}
	return bytes.TrimSpace(resource), nil
}

// isFixed tells the pointers to what a patch must not touch.
func isFixed(pointer string) bool { return pointer == "/id" || pointer == "/resourceType" }
