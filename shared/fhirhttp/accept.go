package fhirhttp

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// form is how a caller wants an answer: by Accept and Accept-Encoding, and by the parameters _format and _pretty (FHIR R4
// http.html#parameters).
type form struct {
	mediaType string // of FHIR JSON; empty: the caller takes none
	pretty    bool
	gzip      bool
}

func formOf(header http.Header, parameters url.Values) form {
	f := form{pretty: parameters.Get("_pretty") == "true", gzip: takesGzip(header)}
	best := 0.0
	ranges := mediaRanges(header, parameters.Get("_format"))
	for _, offer := range jsonTypes() {
		if q := ranges.quality(offer); q > best {
			f.mediaType, best = offer, q
		}
	}
	return f
}

// jsonTypes are the names of FHIR JSON; a caller that asks by one of them is answered by it (FHIR R4
// http.html#mime-type). The first is the formal one.
func jsonTypes() []string { return []string{"application/fhir+json", "application/json", "text/json"} }

func (f form) check() error {
	if f.mediaType == "" {
		return fhir.NewError(fhir.CodeNotSupported, "", "Only JSON is served: application/fhir+json").
			WithStatus(http.StatusNotAcceptable)
	}
	return nil
}

// CheckAccept returns a 406 *fhir.Error when the caller takes no JSON of this version of FHIR: by _format, which wins
// (FHIR R4 http.html#parameters), or by Accept.
func CheckAccept(r *http.Request) error { return formOf(r.Header, r.URL.Query()).check() }

// Prefers tells whether the caller of r would rather have mediaType than FHIR JSON.
func Prefers(r *http.Request, mediaType string) bool {
	ranges := mediaRanges(r.Header, r.URL.Query().Get("_format"))
	json := 0.0
	for _, offer := range jsonTypes() {
		json = max(json, ranges.quality(offer))
	}
	return ranges.quality(mediaType) > json
}

// ranges are the media ranges of an Accept header, each with its parameters (RFC 9110 §12.5.1). None accept anything.
type ranges []mediaRange

type mediaRange struct {
	media   string
	quality float64
}

func mediaRanges(header http.Header, format string) ranges {
	list := strings.Join(header.Values("Accept"), ",")
	if format != "" {
		list = strings.ReplaceAll(format, " ", "+") // an unescaped + arrives as a space
	}
	if list == "" {
		return nil
	}
	all := ranges{}
	for part := range strings.SplitSeq(list, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if version, ok := parameters["fhirversion"]; err != nil || ok && version != "4.0" && version != "4.0.1" {
			continue
		}
		if media == "json" {
			media = jsonTypes()[0]
		}
		quality := 1.0
		if q, err := strconv.ParseFloat(parameters["q"], 64); err == nil {
			quality = q
		}
		all = append(all, mediaRange{media, quality})
	}
	return all
}

// quality returns what the most specific of the ranges says of a media type; 0: it is not acceptable.
func (r ranges) quality(mediaType string) float64 {
	if r == nil {
		return 1
	}
	major, _, _ := strings.Cut(mediaType, "/")
	for _, name := range []string{mediaType, major + "/*", "*/*"} {
		quality, found := 0.0, false
		for _, m := range r {
			if m.media == name {
				quality, found = max(quality, m.quality), true
			}
		}
		if found {
			return quality
		}
	}
	return 0
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3).
func takesGzip(header http.Header) bool {
	others := false
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(header.Values("Accept-Encoding"), ",")), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameters), "q="), 64)
		takes := err != nil || q > 0
		switch strings.TrimSpace(coding) {
		case "gzip", "x-gzip":
			return takes
		case "*":
			others = takes
		}
	}
	return others
}
