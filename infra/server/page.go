package main

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
)

// registerPage adds the start page: where everything is. queue is the URL of the queue, or says that there is none.
func registerPage(mux *http.ServeMux, base *url.URL, queue string) {
	page := fmt.Sprintf(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Referral FHIR Server</title>
<h1>Referral FHIR Server</h1>
<ul>
<li><a href="%[1]s/fhir/metadata">CapabilityStatement</a> of the API at %[1]s/fhir</li>
<li><a href="%[1]s/health/ready">Readiness</a></li>
<li><a href="/metrics">Metrics</a></li>
<li>Queue: %[2]s</li>
</ul>
`, html.EscapeString(base.String()), html.EscapeString(queue))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = w.Write([]byte(page)) // the browser's loss if it has gone
	})
}
