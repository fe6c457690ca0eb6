package generate_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/generate"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// attachment returns the one attachment of a Bundle, or nil.
func attachment(bundle fhir.Bundle) *fhir.Value {
	for _, entry := range bundle.Entries {
		if entry.Resource.ResourceType() == "DocumentReference" {
			return entry.Resource.At("content", "attachment")
		}
	}
	return nil
}

func TestLetterHasItsSizeAndHash(t *testing.T) {
	g := generate.New(3)
	if attachment(parse(t, g.Bundle(generate.Options{}))) != nil {
		t.Error("got a letter, want none of size 0")
	}
	for size, mediaType := range map[int]string{
		1: "text/plain", 1_000: "text/plain", 15_999: "text/plain", 16_000: "application/pdf", 123_457: "application/pdf",
	} {
		for _, entries := range []int{generate.MinEntries, 15} {
			a := attachment(parse(t, g.Bundle(generate.Options{Entries: entries, AttachmentBytes: size})))
			data, err := base64.StdEncoding.DecodeString(a.Get("data").Text())
			if err != nil || len(data) != size || a.Get("size").Text() != strconv.Itoa(size) {
				t.Errorf("%d: got %d bytes and size %s, %v", size, len(data), a.Get("size").Text(), err)
			}
			hash := sha1.Sum(data)
			if got, want := a.Get("hash").Text(), base64.StdEncoding.EncodeToString(hash[:]); got != want {
				t.Errorf("%d: got hash %s, want %s", size, got, want)
			}
			if got := a.Get("contentType").Text(); got != mediaType {
				t.Errorf("%d: got %s, want %s", size, got, mediaType)
			}
			if mediaType == "application/pdf" {
				checkPDF(t, data)
			}
		}
	}
}

// checkPDF holds that the cross-reference table is where the end says, and that its entries lead to the objects.
func checkPDF(t *testing.T, data []byte) {
	t.Helper()
	end := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(data)
	if !bytes.HasPrefix(data, []byte("%PDF-1.4\n")) || end == nil {
		t.Fatal("no PDF")
	}
	at, err := strconv.Atoi(string(end[1]))
	if err != nil || !bytes.HasPrefix(data[at:], []byte("xref\n")) {
		t.Fatalf("startxref %s does not lead to the table", end[1])
	}
	for i, entry := range regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllSubmatch(data[at:], -1) {
		offset, err := strconv.Atoi(string(entry[1]))
		if err != nil || !bytes.HasPrefix(data[offset:], fmt.Appendf(nil, "%d 0 obj\n", i+1)) {
			t.Errorf("object %d is not at %s", i+1, entry[1])
		}
	}
}

// TestLargestBundleFitsServer: whatever the options, the server's limit of 4 MiB holds.
func TestLargestBundleFitsServer(t *testing.T) {
	for seed := range uint64(4) {
		b := generate.New(seed).Bundle(generate.Options{Entries: generate.MaxEntries, AttachmentBytes: generate.MaxAttachment})
		if got, most := len(b), 4<<20-2_000; got > most {
			t.Errorf("got %d bytes, want at most %d", got, most)
		}
		for _, issue := range faults(parse(t, b)) {
			t.Errorf("%s %s: %s", issue.Code, issue.Expression, issue.Details)
		}
	}
}
