package attachment

import "strings"

const octetStream = "application/octet-stream"

// mediaType returns type/subtype of a Content-Type, in lower case, without parameters.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// supported tells whether a media type is on the list of what a referral may carry: documents, images, recordings
// and data for machines, none of which a viewer runs.
func supported(mediaType string) bool {
	top, sub, _ := strings.Cut(mediaType, "/")
	switch top {
	case "image":
		return sub != "" && sub != "svg+xml" && sub != "svg"
	case "audio", "video":
		return sub != ""
	case "text":
		switch sub {
		case "plain", "markdown", "csv", "tab-separated-values", "rtf", "richtext", "xml", "calendar", "vcard", "cql", "turtle", "fhirpath":
			return true
		}
	case "application":
		switch sub {
		case "pdf", "rtf", "msword", "dicom", "json", "xml", "zip", "x-zip-compressed", "gzip", "octet-stream",
			"hl7-v2", "x-hl7", "edi-hl7", "edi-hl7v2", "hl7-v2+er7", "x-ndjson", "ndjson", "jose", "pkcs7-mime", "pkcs7-signature",
			"vnd.ms-excel", "vnd.ms-powerpoint", "vnd.ms-outlook":
			return true
		case "xhtml+xml", "xslt+xml":
			return false
		}
		return strings.HasPrefix(sub, "vnd.openxmlformats-officedocument.") || strings.HasPrefix(sub, "vnd.oasis.opendocument.") ||
			isJSON(mediaType) || isXML(mediaType)
	}
	return false
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

func isXML(mediaType string) bool {
	return mediaType == "application/xml" || mediaType == "text/xml" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+xml")
}

// isText tells whether viewers show the bytes of a media type as they are, or leave them to machines. XML is not
// among these: a browser makes a page of it.
func isText(mediaType string) bool {
	switch {
	case isXML(mediaType), mediaType == "text/rtf", mediaType == "text/richtext":
		return false
	case strings.HasPrefix(mediaType, "text/"), isJSON(mediaType):
		return true
	}
	switch mediaType {
	case "application/hl7-v2", "application/x-hl7", "application/edi-hl7", "application/edi-hl7v2", "application/hl7-v2+er7":
		return true
	}
	return false
}

// contradiction returns what mediaType promises when data that was found to be something else clearly does not keep
// it, and "" otherwise.
func contradiction(mediaType string, found *kind, nul bool) (promised string) {
	want := marked(mediaType)
	switch {
	case mediaType == octetStream, found == want:
		return ""
	case want != nil:
		return want.name
	case isXML(mediaType):
		if found != markup && found != utf16 {
			return "XML"
		}
	case isText(mediaType):
		if found != utf16 && (nul || found != other && !found.text) {
			return "text"
		}
	case mediaType == "application/msword", strings.HasPrefix(mediaType, "application/vnd.ms-"):
		if found != other && found != ole && found != zip && found != rtf { // which the programs open as well
			return "an Office document"
		}
	case strings.HasPrefix(mediaType, "image/"):
		if found != other {
			return "an image of another format"
		}
	case mediaType == "application/dicom", strings.HasPrefix(mediaType, "audio/"), strings.HasPrefix(mediaType, "video/"):
		if found != other && found != dicom {
			return "an image or a recording"
		}
	}
	return ""
}

// marked returns the kind whose mark every file of a media type has; nil when there is none.
func marked(mediaType string) *kind {
	switch mediaType {
	case "application/pdf":
		return pdf
	case "image/png":
		return png
	case "image/jpeg", "image/jpg", "image/pjpeg":
		return jpeg
	case "image/gif":
		return gif
	case "image/tiff":
		return tiff
	case "image/bmp", "image/x-ms-bmp":
		return bmp
	case "image/webp":
		return webp
	case "application/rtf", "text/rtf", "text/richtext":
		return rtf
	case "application/gzip":
		return gzip
	case "application/zip", "application/x-zip-compressed":
		return zip
	}
	if strings.HasPrefix(mediaType, "application/vnd.openxmlformats-officedocument.") || strings.HasPrefix(mediaType, "application/vnd.oasis.opendocument.") {
		return zip
	}
	return nil
}
