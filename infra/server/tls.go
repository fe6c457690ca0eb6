package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// overTLS returns listener with the server's certificate, or as it is where there is none.
//
// A client certificate is asked for and not required: whoever has none still reaches /health and the
// CapabilityStatement, and is told what is missing in FHIR's words. What a certificate is worth, package principal says.
func (s *server) overTLS(listener net.Listener) net.Listener {
	if s.settings.certificate == nil {
		return listener
	}
	return tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{*s.settings.certificate},
		ClientAuth:   tls.RequestClientCert,
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		CipherSuites: []uint16{ // of TLS 1.2: with forward secrecy and authenticated encryption only
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	})
}

// scheme is that of the API's URL.
func (s *server) scheme() string {
	if s.settings.certificate == nil {
		return "http"
	}
	return "https"
}

// curlOptions are what curl needs for the certificates that referralctl certs makes, where they are used.
func (s *server) curlOptions() string {
	authority := filepath.Join(s.settings.certificateDir, "ca.pem")
	if _, err := os.Stat(authority); s.settings.certificate == nil || err != nil {
		return ""
	}
	client := filepath.Join(s.settings.certificateDir, "nash-8003621566684455")
	return fmt.Sprintf(" --cacert %s --cert %s.pem --key %s-key.pem", authority, client, client)
}
