package fhirhttp

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// CORS lets web pages of other origins use a server (Fetch standard, "CORS protocol"; FHIR R4 security.html#cors).
// Without Origins, as in the zero value, no page may. No page may have the browser send credentials of its own, which are
// cookies and client certificates: a caller's key or token is in a header.
type CORS struct {
	// Origins are those of the pages, each as browsers write it, such as https://app.example.org or
	// http://localhost:3000. Anything else, such as * or null, allows nobody.
	Origins []string
	Methods []string      // nil: those of the API
	Headers []string      // that a page may send; nil: those that the API reads
	MaxAge  time.Duration // for which browsers may keep the answer to a preflight, in whole seconds; 0: each asks again
}

var (
	corsMethods = []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	}
	corsHeaders = []string{
		"Accept", "Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "If-Match", "If-Modified-Since",
		"If-None-Exist", "If-None-Match", "Prefer", "Traceparent", "X-Api-Key", "X-Request-ID",
	}
)

// corsExposed are the headers of answers that pages may read, beside those that any page may.
const corsExposed = "Accept-Patch, Allow, Content-Location, ETag, Last-Modified, Location, Preference-Applied, RateLimit, " +
	"RateLimit-Policy, Retry-After, X-Progress, X-Request-ID"

// CORSFromSettings reads REFERRAL_CORS_ORIGINS, which switches CORS on, and the other variables of that beginning.
func CORSFromSettings(v *env.Settings) CORS {
	c := CORS{
		Origins: v.List("REFERRAL_CORS_ORIGINS"), Methods: v.List("REFERRAL_CORS_METHODS"), Headers: v.List("REFERRAL_CORS_HEADERS"),
		MaxAge: v.Duration("REFERRAL_CORS_MAX_AGE", 10*time.Minute, 0, 24*time.Hour),
	}
	for name, list := range map[string]struct {
		values   []string
		good     func(string) bool
		expected string
	}{
		"REFERRAL_CORS_ORIGINS": {c.Origins, isOrigin, "origins as browsers write them, such as https://app.example.org, without * and null"},
		"REFERRAL_CORS_METHODS": {c.Methods, isName, "methods such as GET, without *"},
		"REFERRAL_CORS_HEADERS": {c.Headers, isName, "names of headers, without *"},
	} {
		if slices.ContainsFunc(list.values, func(s string) bool { return s != "" && !list.good(s) }) { // "": v has told
			v.Wrong(name, list.expected)
		}
	}
	return c
}

// isOrigin tells whether s is how a browser serializes the origin of a page (RFC 6454 §6.2): lower case, no default
// port, nothing behind it. No page has any other, so that to allow it would be a mistake at best.
func isOrigin(s string) bool {
	parts := originPattern.FindStringSubmatch(s)
	if parts == nil || strings.HasPrefix(parts[2], "[") && net.ParseIP(strings.Trim(parts[2], "[]")) == nil {
		return false
	}
	return parts[1]+parts[3] != "http:80" && parts[1]+parts[3] != "https:443"
}

var (
	originPattern = regexp.MustCompile(`^(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?$`)
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
)

func isName(s string) bool { return namePattern.MatchString(s) }

// Handler returns next for pages of the origins, too. It answers preflights itself, before anybody asks who calls: a
// browser sends them without key or token. To any other origin next answers as it does without CORS.
func (c CORS) Handler(next http.Handler) http.Handler {
	origins := map[string]bool{}
	for _, origin := range c.Origins {
		if isOrigin(origin) {
			origins[origin] = true
		}
	}
	if len(origins) == 0 {
		return next
	}
	methods, headers := corsMethods, corsHeaders
	if c.Methods != nil {
		methods = c.Methods
	}
	if c.Headers != nil {
		headers = c.Headers
	}
	allowMethods, allowHeaders := strings.Join(methods, ", "), strings.Join(headers, ", ")
	maxAge := strconv.FormatInt(int64(c.MaxAge/time.Second), 10)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin") // also of answers to others: caches must not give them to pages
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if preflight {
			header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
		}
		origin := r.Header.Values("Origin")
		if len(origin) != 1 || !origins[origin[0]] {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Origin", origin[0])
		if !preflight {
			header.Set("Access-Control-Expose-Headers", corsExposed)
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", allowMethods)
		header.Set("Access-Control-Allow-Headers", allowHeaders)
		header.Set("Access-Control-Max-Age", maxAge)
		w.WriteHeader(http.StatusNoContent)
	})
}
