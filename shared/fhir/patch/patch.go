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
	"net/http"
	"sort"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// ContentType is the media type of a JSON Patch (RFC 6902 §6).
const ContentType = "application/json-patch+json"

const (
	maxOperations = 1000
	maxResult     = 4 << 20  // bytes, as a body
	maxWork       = 16 << 20 // bytes of the resource, once for each time that it is read: about a second
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
	document, err := fhir.Parse(patch, "", fhir.Limits{Root: fhir.Array})
	if e, ok := errors.AsType[*fhir.Error](err); ok {
		e.Issues[0].Expression = "" // a place in a patch is no FHIRPath
	}
	if err != nil {
		return nil, err
	}
	operations := document.Items()
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

// isPointer tells a JSON Pointer (RFC 6901 §3) to something in a document.
func isPointer(v *fhir.Value) bool {
	if v.Kind() != fhir.String || !strings.HasPrefix(v.Text(), "/") {
		return false
	}
	for _, escape := range strings.Split(v.Text(), "~")[1:] {
		if !strings.HasPrefix(escape, "0") && !strings.HasPrefix(escape, "1") {
			return false
		}
	}
	return true
}

// Apply returns the resource as patch changes it. Its type and id stay as they are. Errors are *fhir.Error: 400 for what
// is no patch, 422 for one that does not apply, with the number of the operation, from 0, in the details. A test compares numbers as they
// are written: 1.10 is not 1.1 (FHIR R4 datatypes.html#decimal).
func Apply(resource, patch []byte) ([]byte, error) {
	all, err := operations(patch)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := mayApply(&all[i], i); err != nil {
			return nil, err
		}
	}
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, fhir.NewError(fhir.CodeStructure, "", "A JSON Patch is an array of operations")
	}
	work := 0
	for first := 0; first < len(all); {
		run := alike(all[first:])
		if work += len(resource); work > maxWork {
			return nil, fhir.NewError(fhir.CodeTooCostly, "", "The patch has too many tests between its changes for a resource of this size").
				WithStatus(http.StatusUnprocessableEntity)
		}
		result, err := apply(decoded[first:first+run], resource)
		switch {
		case len(result) > maxResult, isTooLarge(err):
			return nil, fhir.NewError(fhir.CodeTooLong, "", "The patch makes the resource too large").WithStatus(http.StatusUnprocessableEntity)
		case err != nil:
			return nil, failed(decoded[first:first+run], first, resource)
		case !isTest(&all[first]): // testing an object changes how the library writes it
			resource = result
		}
		first += run
	}
	return bytes.TrimSpace(resource), nil
}

// alike returns the length of the run of operations that are all tests or all changes. A run is applied at once, since
// each time the library reads and writes the whole resource.
func alike(all []fhir.Value) int {
	n := 1
	for n < len(all) && isTest(&all[n]) == isTest(&all[0]) {
		n++
	}
	return n
}

func isTest(o *fhir.Value) bool { return o.Get("op").Text() == "test" }

func apply(operations jsonpatch.Patch, resource []byte) ([]byte, error) {
	options := jsonpatch.NewApplyOptions()
	options.SupportNegativeIndices, options.EscapeHTML, options.AccumulatedCopySizeLimit = false, false, maxResult
	return operations.ApplyWithOptions(resource, options)
}

// failed says which of the operations, of which the first is number first, does not apply: the library's own words
// quote the document and do not count.
func failed(operations jsonpatch.Patch, first int, resource []byte) error {
	i := sort.Search(len(operations)-1, func(i int) bool {
		_, err := apply(operations[:i+1], resource)
		return err != nil
	})
	_, err := apply(operations[:i+1], resource)
	if errors.Is(err, jsonpatch.ErrTestFailed) {
		return fhir.NewError(fhir.CodeBusinessRule, "", place(first+i)+"tests for another value than the resource has")
	}
	return leadsNowhere(first + i)
}

func leadsNowhere(i int) error {
	return fhir.NewError(fhir.CodeBusinessRule, "", place(i)+"does not apply: the resource has nothing where it points to")
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*jsonpatch.AccumulatedCopySizeError](err)
	return ok
}

// mayApply refuses an operation, whatever the resource, that changes what must stay or whose pointers lead nowhere.
func mayApply(o *fhir.Value, i int) error {
	path, from := o.Get("path").Text(), o.Get("from").Text()
	moved := o.Get("op").Text() == "move" && isFixed(from)
	switch {
	case !isTest(o) && (isFixed(path) || moved):
		return fhir.NewError(fhir.CodeBusinessRule, "", place(i)+"would change the resource's type or id")
	case !mayLead(path) || from != "" && !mayLead(from):
		return leadsNowhere(i)
	}
	return nil
}

// isFixed tells the pointers to what a patch must not touch.
func isFixed(pointer string) bool { return pointer == "/id" || pointer == "/resourceType" }

// mayLead tells a pointer whose names are not empty and whose indexes have neither sign nor leading zeros (RFC 6901 §4):
// the library makes something of others.
func mayLead(pointer string) bool {
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if token == "" || token != "-" && token != "0" && strings.IndexByte("+-0", token[0]) >= 0 {
			return false
		}
	}
	return true
}
