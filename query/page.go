package query

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// pagePurpose is what the signature in a page token is for.
const pagePurpose = "search-page-v1"

// pageToken names the place after the version with vid in the results of q: vid and a signature that binds it to the
// caller's organisation and to the search, so that a token is of no use to another or elsewhere.
func (s *Server) pageToken(org string, q query, vid int64) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(vid))
	signature := s.Keys.Sign(pagePurpose, org, q.resourceType, q.understood.Encode(), string(b))
	return base64.RawURLEncoding.EncodeToString(append(b, signature[:]...))
}

// cursor returns the vid in q's page token, 0 without one.
func (s *Server) cursor(org string, q query) (int64, error) {
	if q.page == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.page)
	if err != nil || len(b) != 8+len(referral.Signature{}) ||
		!s.Keys.Signed(referral.Signature(b[8:]), pagePurpose, org, q.resourceType, q.understood.Encode(), string(b[:8])) {
		return 0, fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this search for this client")
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// searchURL is the address of q as it was understood, or of one of its pages.
func (s *Server) searchURL(q query, page string) string {
	u := s.BaseURL.JoinPath("fhir", q.resourceType)
	u.RawQuery = q.understood.Encode()
	if page != "" {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += "_page=" + page
	}
	return u.String()
}
