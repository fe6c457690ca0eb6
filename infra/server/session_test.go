package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/infra/referralctl/certs"
)

// TestSessionsEndWithTheirCertificate: neither a connection that is open nor a session that is resumed outlives the
// revocation of its certificate; nor does a session become another organisation's.
func TestSessionsEndWithTheirCertificate(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, options := t.TempDir(), certs.Options{HPIOs: []string{"8003621566684455", "8003624900041689"}}
			if _, err := certs.Make(dir, options); err != nil {
				t.Fatal(err)
			}
			address := callersOverTLS(t, dir, "certificate+key")
			sessions := tls.NewLRUClientSessionCache(0)
			with := func(certificate string) *http.Client {
				client := tlsClient(t, dir, certificate)
				config := client.Transport.(*http.Transport).TLSClientConfig
				config.ClientSessionCache, config.MinVersion, config.MaxVersion = sessions, version, version
				return client
			}
			hold := func(step string, client *http.Client, key string, want int, resumed bool) {
				t.Helper()
				if got, did := call(t, client, address, key); got != want || did != resumed {
					t.Errorf("%s: got %d, resumed %v; want %d, resumed %v", step, got, did, want, resumed)
				}
			}
			kept := with(senderCertificate)
			hold("at first", kept, "dev-sender", http.StatusOK, false)
			hold("resumed", with(senderCertificate), "dev-sender", http.StatusOK, true)
			hold("another's, in our session", with(recipientCertificate), "dev-recipient", http.StatusForbidden, true)
			hold("without one, in our session", with(""), "dev-sender", http.StatusOK, true) // who has the session's key has had the certificate's

			options.Revoke = []string{filepath.Join(dir, senderCertificate+".pem")}
			if _, err := certs.Make(dir, options); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if got, _ := call(t, kept, address, "dev-sender"); got == http.StatusUnauthorized {
					break
				}
			}
			hold("revoked, on the connection that is open", kept, "dev-sender", http.StatusUnauthorized, false)
			hold("revoked, resumed", with(senderCertificate), "dev-sender", http.StatusUnauthorized, true)
		})
	}
}

// call returns what the server answers, and whether the connection had resumed a session.
func call(t testing.TB, client *http.Client, address, key string) (status int, resumed bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", key)
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil { // so that the connection is kept
		t.Fatal(err)
	}
	return response.StatusCode, response.TLS.DidResume
}

// TestCertificatesOfOthers: who has no key to a certificate, or has one for another purpose, is nobody.
func TestCertificatesOfOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Make(dir, certs.Options{HPIOs: []string{"8003621566684455"}}); err != nil {
		t.Fatal(err)
	}
	address := callersOverTLS(t, dir, "certificate+key")
	load := func(name string) tls.Certificate {
		t.Helper()
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, nash, key := load(senderCertificate), load("nash-ca"), ecdsaKey(t)
	issued := func(change func(*x509.Certificate)) tls.Certificate {
		t.Helper()
		template := *ours.Leaf
		template.SerialNumber = big.NewInt(4711)
		change(&template)
		der, err := x509.CreateCertificate(rand.Reader, &template, nash.Leaf, key.Public(), nash.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	const refused = 0 // the handshake fails
	for name, test := range map[string]struct {
		certificate tls.Certificate
		want        int
	}{
		"ours":            {ours, http.StatusOK},
		"for any purpose": {issued(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), http.StatusOK},
		"for code":        {issued(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), http.StatusUnauthorized},
		"for an unknown purpose": {issued(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, append(c.UnknownExtKeyUsage, []int{1, 2, 3})
		}), http.StatusUnauthorized},
		"without its key": {tls.Certificate{Certificate: ours.Certificate, PrivateKey: pretender{key, ours.PrivateKey.(crypto.Signer)}}, refused},
	} {
		client := tlsClient(t, dir, "")
		client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &test.certificate, nil
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", "dev-sender")
		got := refused
		response, err := client.Do(r)
		if err == nil {
			response.Body.Close()
			got = response.StatusCode
		}
		if got != test.want {
			t.Errorf("%s: got %d, error %v; want %d", name, got, err, test.want)
		}
	}
}

// pretender signs with a key of its own and says that it has another's.
type pretender struct {
	crypto.Signer
	of crypto.Signer
}

func (p pretender) Public() crypto.PublicKey { return p.of.Public() }

// TestNoRenegotiation: in TLS 1.2 a client begins no second handshake within a connection, in which it could become another.
func TestNoRenegotiation(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Make(dir, certs.Options{}); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(callersOverTLS(t, dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		kind    byte
		content func(hello []byte) []byte
		want    byte
	}{
		"a request": {23, func([]byte) []byte { return []byte("GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: dev-sender\r\n\r\n") }, 23},
		"a hello":   {22, func(hello []byte) []byte { return hello }, 21}, // an alert
	} {
		raw, err := net.Dial("tcp", address.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		wire, secrets := &recorded{Conn: raw}, &bytes.Buffer{}
		config := tlsClient(t, dir, "").Transport.(*http.Transport).TLSClientConfig
		config.ServerName, config.MaxVersion, config.KeyLogWriter = address.Hostname(), tls.VersionTLS12, secrets
		config.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		if err := tls.Client(wire, config).HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		hello, answer := message(wire.sent.Bytes()), message(wire.got.Bytes())
		record := seal(t, secrets.String(), hello[6:38], answer[6:38], test.kind, test.content(hello))
		if _, err := raw.Write(record); err != nil {
			t.Fatal(err)
		}
		if err := raw.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		got, err := bufio.NewReader(raw).ReadByte() // the kind of the record
		if err != nil || got != test.want {
			t.Errorf("%s: got a record of kind %d, error %v; want %d", name, got, err, test.want)
		}
	}
}

// TestNoCompression: a client that offers DEFLATE (RFC 3749) as well is given no compression.
func TestNoCompression(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Make(dir, certs.Options{}); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(callersOverTLS(t, dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	extensions := []byte{
		0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
		0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
		0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ecdsa_secp256r1_sha256
		0xff, 1, 0, 1, 0, // renegotiation_info
	}
	hello := append([]byte{3, 3}, make([]byte, 32)...)  // version and random
	hello = append(hello, 0, 0, 2, 0xc0, 0x2b, 2, 1, 0) // no session; ECDHE-ECDSA-AES128-GCM-SHA256; DEFLATE or none
	hello = append(binary.BigEndian.AppendUint16(hello, uint16(len(extensions))), extensions...)
	hello = append([]byte{1, 0, 0, byte(len(hello))}, hello...)
	if _, err := connection.Write(append([]byte{22, 3, 1, 0, byte(len(hello))}, hello...)); err != nil {
		t.Fatal(err)
	}
	if err := connection.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 5+4+2+32+1+32+2+1)
	if _, err := io.ReadFull(connection, answer); err != nil || answer[0] != 22 {
		t.Fatalf("got % x, error %v; want a ServerHello", answer, err)
	}
	session := int(answer[43])
	if got := answer[44+session : 44+session+3]; !bytes.Equal(got, []byte{0xc0, 0x2b, 0}) {
		t.Errorf("got cipher suite and compression % x, want c0 2b 00", got)
	}
}

// recorded keeps what goes over a connection.
type recorded struct {
	net.Conn
	sent, got bytes.Buffer
}

func (r *recorded) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.Conn.Write(b)
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.got.Write(b[:n])
	return n, err
}

// message is the first handshake message of records (RFC 5246 §6.2.1, §7.4).
func message(records []byte) []byte {
	return records[5 : 5+4+int(binary.BigEndian.Uint16(records[7:9]))]
}

// seal makes the client's next record after its handshake, in AES-128-GCM (RFC 5246 §6.3, RFC 5288 §3).
func seal(t testing.TB, secrets string, client, server []byte, kind byte, content []byte) []byte {
	t.Helper()
	fields := strings.Fields(secrets)
	master, err := hex.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Fatal(err)
	}
	keys := expand(master, fmt.Sprintf("key expansion%s%s", server, client), 40)
	block, err := aes.NewCipher(keys[:16])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	number := binary.BigEndian.AppendUint64(nil, 1) // Finished was 0
	header := []byte{kind, 3, 3}
	sealed := gcm.Seal(nil, append(bytes.Clone(keys[32:36]), number...), content,
		binary.BigEndian.AppendUint16(append(bytes.Clone(number), header...), uint16(len(content))))
	return append(append(binary.BigEndian.AppendUint16(header, uint16(len(number)+len(sealed))), number...), sealed...)
}

// expand is P_SHA256 of RFC 5246 §5.
func expand(secret []byte, seed string, n int) (b []byte) {
	sum := func(parts ...string) string {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(strings.Join(parts, "")))
		return string(mac.Sum(nil))
	}
	for a := sum(seed); len(b) < n; a = sum(a) {
		b = append(b, sum(a, seed)...)
	}
	return b[:n]
}
