package principal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

func (c *Client) readScopes(n node) error {
	elements, err := n.elements()
	if err != nil {
		return err
	}
	for _, element := range elements {
		scope := Scope(element.Text())
		switch {
		case !slices.Contains(scopes, scope):
			return element.wrong(fmt.Sprintf("is not one of %v", scopes))
		case c.Org == operator && scope != Operate && scope != Audit:
			return element.wrong("is not for the operator, who has operate and audit: it sends and receives no referrals")
		}
		c.Scopes = append(c.Scopes, scope)
	}
	return nil
}

func (c *Client) readCIDRs(n node) error {
	elements, err := n.elements()
	if err != nil {
		return err
	}
	for _, element := range elements {
		prefix, err := netip.ParsePrefix(element.Text())
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			return element.wrong("is not a range of addresses such as 203.0.113.0/24, its host bits zero")
		}
		c.CIDRs = append(c.CIDRs, prefix)
	}
	return nil
}

func (c *Client) readRate(n node) error {
	if n.Value == nil {
		return nil
	}
	m, err := n.members("rps", "burst")
	if err != nil {
		return err
	}
	c.Rate = &Rate{}
	if c.Rate.RPS, err = m["rps"].rate(); err != nil {
		return err
	}
	c.Rate.Burst, err = m["burst"].count()
	return err
}

func (r *Registry) readKeys(n node, c *Client, now time.Time) error {
	elements, err := n.elements()
	if err != nil {
		return err
	}
	live := 0
	for _, element := range elements {
		key, err := readKey(element)
		if err != nil {
			return err
		}
		if key.Live(now) {
			live++
		}
		if live > 2 {
			return element.wrong("is a third live key; two are enough to change from one to the other")
		}
		known, text := r.keys, key.Digest
		if rest, found := strings.CutPrefix(text, peppered); found {
			known, text = r.peppered, rest
		}
		sum, ok := parseDigest(text)
		switch _, taken := known[sum]; {
		case !ok:
			return element.wrong(`is not a SHA-256 digest in hexadecimal, as it is or after "hmac:"`)
		case sum == sha256.Sum256(nil):
			return element.wrong("is the digest of an empty API key")
		case taken:
			return element.wrong("is there already")
		}
		known[sum] = heldKey{c, key}
		c.Keys = append(c.Keys, key)
	}
	return nil
}

// readKey returns a key that is written as its digest alone or as an object.
func readKey(n node) (key Key, err error) {
	if n.Kind() == fhir.String {
		return Key{Digest: n.Text()}, nil
	}
	m, err := n.members("digest", "|", "id", "expires")
	if err != nil {
		return key, err
	}
	if key.Digest, err = m["digest"].text(); err != nil {
		return key, err
	}
	if id := m["id"]; id.Value != nil {
		if key.ID = id.Text(); !keyIDPattern.MatchString(key.ID) {
			return key, id.wrong("is not 1 to 16 lower-case letters and digits")
		}
	}
	if expires := m["expires"]; expires.Value != nil {
		if key.Expires, err = time.Parse(time.RFC3339, expires.Text()); err != nil {
			return key, expires.wrong("is not an instant such as 2027-01-31T00:00:00Z")
		}
	}
	return key, nil
}

// readCertificates reads the certificates of c, each in one of the forms.
func (r *Registry) readCertificates(n node, c *Client) error {
	elements, err := n.elements()
	if err != nil {
		return err
	}
	for _, element := range elements {
		certificate, err := readCertificate(element)
		if err != nil {
			return err
		}
		var taken bool
		switch certificate {
		case Certificate{SHA256: certificate.SHA256}:
			// As openssl writes it, with colons, too.
			sum, ok := parseDigest(strings.ReplaceAll(certificate.SHA256, ":", ""))
			if !ok {
				return element.wrong("has no sha256 in hexadecimal")
			}
			_, taken = r.thumbprints[sum]
			r.thumbprints[sum] = c
		case Certificate{Subject: certificate.Subject, Issuer: certificate.Issuer}:
			if certificate.Subject == "" || certificate.Issuer == "" {
				return element.wrong("needs both subject and issuer")
			}
			of := subject{certificate.Subject, certificate.Issuer}
			_, taken = r.subjects[of]
			r.subjects[of] = c
		case Certificate{NASH: true}:
			if c.Org == operator {
				return element.wrong("cannot be the operator's, which has no HPI-O")
			}
			_, taken = r.nash[c.Org]
			r.nash[c.Org] = c
		default:
			return element.wrong("is not one of sha256, subject with issuer, and nash")
		}
		if taken {
			return element.wrong("is a client's already")
		}
		c.Certificates = append(c.Certificates, certificate)
	}
	return nil
}

func readCertificate(n node) (c Certificate, err error) {
	m, err := n.members("|", "sha256", "subject", "issuer", "nash")
	if err != nil {
		return c, err
	}
	if c.SHA256, err = m["sha256"].text(); err != nil {
		return c, err
	}
	if c.Subject, err = m["subject"].text(); err != nil {
		return c, err
	}
	if c.Issuer, err = m["issuer"].text(); err != nil {
		return c, err
	}
	c.NASH, err = m["nash"].flag()
	return c, err
}

// readTokens reads the tokens of c, each in one of the forms.
func (r *Registry) readTokens(n node, c *Client) error {
	elements, err := n.elements()
	if err != nil {
		return err
	}
	for _, element := range elements {
		m, err := element.members("issuer", "|", "client", "orgClaim")
		if err != nil {
			return err
		}
		var t Token
		if t.Issuer, err = m["issuer"].text(); err != nil {
			return err
		}
		if t.Client, err = m["client"].text(); err != nil {
			return err
		}
		if t.OrgClaim, err = m["orgClaim"].flag(); err != nil {
			return err
		}
		holder := tokenHolder{issuer: t.Issuer, client: t.Client}
		switch {
		case t.OrgClaim == (t.Client != ""):
			return element.wrong("needs one of client and orgClaim")
		case t.OrgClaim && c.Org == operator:
			return element.wrong("cannot be the operator's, which has no HPI-O")
		case t.OrgClaim:
			holder.org = c.Org
		}
		if r.tokens[holder] != nil {
			return element.wrong("is a client's already")
		}
		r.tokens[holder] = c
		c.Tokens = append(c.Tokens, t)
	}
	return nil
}

func parseDigest(text string) (sum digest, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return sum, false
	}
	return digest(b), true
}
