package query

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// What the signature in a page token is for: search results, a history, a list of referrals newest first, and one
// forward.
const (
	pagePurpose    = "search-page-v1"
	historyPurpose = "history-page-v1"
	listPurpose    = "referrals-page-v1"
	forwardPurpose = "referrals-forward-v1"
)

// place is where a page of search results begins: behind the version with vid, and of matches in another order than that
// of vids also how many come before.
type place struct{ vid, position int64 }

// pageToken is a place in the results of q, and a signature that binds it to the caller's organisation and to the search,
// so that a token is of no use to another or elsewhere.
func (s *Server) pageToken(org string, q query, p place) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.vid))
	return s.signPlace(binary.BigEndian.AppendUint64(b, uint64(p.position)), pagePurpose, org, q.resourceType, q.understood.Encode())
}

// signPlace returns a token of place, a fixed number of bytes, that is bound to the rest.
func (s *Server) signPlace(place []byte, purpose string, bound ...string) string {
	signature := s.Keys.Sign(purpose, append(bound, string(place))...)
	return base64.RawURLEncoding.EncodeToString(append(place, signature[:]...))
}

// signedPlace returns the place of size bytes in a token that signPlace made for the same.
func (s *Server) signedPlace(token string, size int, purpose string, bound ...string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token) // passes over line ends
	if err != nil || len(b) != size+len(referral.Signature{}) || strings.ContainsAny(token, "\r\n") {
		return nil, false
	}
	place := b[:size:size]
	return place, s.Keys.Signed(referral.Signature(b[size:]), purpose, append(bound, string(place))...)
}

// place returns that of q's page token, the zero place without one.
func (s *Server) place(org string, q query) (place, error) {
	if q.page == "" {
		return place{}, nil
	}
	b, ok := s.signedPlace(q.page, 16, pagePurpose, org, q.resourceType, q.understood.Encode())
	if !ok {
		return place{}, fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this search for this client")
	}
	return place{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// searchURL is the address of q as it was understood, or of one of its pages.
func (s *Server) searchURL(q query, page string) string {
	return pageURL(s.BaseURL.JoinPath("fhir", q.resourceType), q.understood, page)
}

func pageURL(u *url.URL, understood url.Values, page string) string {
	u.RawQuery = understood.Encode()
	if page != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += "_page=" + page
	}
	return u.String()
}
