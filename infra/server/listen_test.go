package main

import (
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"testing"
)

// TestWhoMayListenWhere asks the check itself: tests listen on loopback only.
func TestWhoMayListenWhere(t *testing.T) {
	loopback, elsewhere, anywhere := "127.0.0.1:8080", "203.0.113.7:8443", "[::]:8443"
	safe := settings{certificate: &tls.Certificate{}, clients: "/etc/clients.json", baseURL: &url.URL{Scheme: "https", Host: "referrals.example"}}
	plain, known, nameless := safe, safe, safe
	plain.certificate, known.clients, nameless.baseURL = nil, "development", nil
	for _, test := range []struct {
		name    string
		s       settings
		address string
		missing []string // nil: it may
	}{
		{"development on loopback", settings{clients: "development"}, loopback, nil},
		{"IPv6 loopback", settings{clients: "development"}, "[::1]:8080", nil},
		{"TLS and a registry", safe, elsewhere, nil},
		{"on all addresses", safe, anywhere, nil},
		{"without TLS", plain, elsewhere, []string{"REFERRAL_TLS_CERT"}},
		{"development clients", known, anywhere, []string{"REFERRAL_CLIENTS"}},
		{"an address that is no URL", nameless, anywhere, []string{"REFERRAL_BASE_URL"}},
		{"as make run does it", settings{clients: "development"}, elsewhere, []string{"REFERRAL_TLS_CERT", "REFERRAL_CLIENTS", "REFERRAL_BASE_URL"}},
	} {
		err := test.s.mayServe(address(t, test.address))
		if (err == nil) != (test.missing == nil) {
			t.Errorf("%s: got error %v, want that it names %v", test.name, err, test.missing)
			continue
		}
		for _, name := range test.missing {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v does not name %s", test.name, err, name)
			}
		}
		if ops := onLoopback(address(t, test.address)); (ops == nil) != (test.address != elsewhere && test.address != anywhere) {
			t.Errorf("%s: metrics got %v", test.address, ops)
		}
	}
}

// TestListenAsksFirst: what is refused is closed again.
func TestListenAsksFirst(t *testing.T) {
	s := &server{}
	refuse := func(net.Addr) error { return net.ErrClosed }
	if _, err := s.listen("REFERRAL_ADDR", "127.0.0.1:0", refuse); err == nil || !strings.Contains(err.Error(), "REFERRAL_ADDR is 127.0.0.1:0") {
		t.Errorf("got error %v, want one that says which setting", err)
	}
	if len(s.stops) != 1 {
		t.Errorf("got %d stops, want the listener's", len(s.stops))
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func address(t testing.TB, text string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
