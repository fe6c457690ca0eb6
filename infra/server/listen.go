package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// listen listens on address where allowed, given what that comes to, does not refuse.
func (s *server) listen(setting, address string, allowed func(net.Addr) error) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (%w); set %s to another address, or stop what listens there", address, errors.Unwrap(err), setting)
	}
	s.stops = append(s.stops, func() error { listener.Close(); return nil }) // served, it is closed already
	if err := allowed(listener.Addr()); err != nil {
		return nil, fmt.Errorf("%s is %s: %w", setting, address, err)
	}
	return listener, nil
}

// onLoopback refuses an address that other machines reach: metrics and the SQS endpoint ask nobody who they are.
func onLoopback(address net.Addr) error {
	if !principal.OnLoopback(address.String()) {
		return errors.New("metrics and the SQS endpoint are served on loopback only, since they ask nobody who they are")
	}
	return nil
}

// mayServe refuses the API on an address that other machines reach, unless over TLS, under a URL that they know, and
// without the development clients, whose keys anybody knows.
func (s settings) mayServe(address net.Addr) error {
	if principal.OnLoopback(address.String()) {
		return nil
	}
	var missing []string
	if s.certificate == nil {
		missing = append(missing, "TLS (REFERRAL_TLS_CERT, REFERRAL_TLS_KEY)")
	}
	if s.clients == principal.DevelopmentClients {
		missing = append(missing, "a client registry of your own (REFERRAL_CLIENTS)")
	}
	if s.baseURL == nil {
		missing = append(missing, "the URL under which others reach it (REFERRAL_BASE_URL)")
	}
	if len(missing) == 0 {
		return nil
	}
	return errors.New("beyond loopback the API needs " + strings.Join(missing, " and "))
}
