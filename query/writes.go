package query

import (
	"context"
	"encoding/binary"
	"net/http"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// writes serves the history of a type and of the whole server (FHIR R4 http.html#history), as far as the caller's own
// submissions wrote it. What was addressed to a caller it finds by searching.
func (s *Server) writes(w *fhirhttp.Response, r *http.Request) error {
	if err := fhirhttp.CheckAccept(r); err != nil {
		return err
	}
	q, err := parseHistory(r)
	if err != nil {
		return err
	}
	address := s.BaseURL.JoinPath("fhir", "_history")
	if q.Type = r.PathValue("type"); q.Type != "" {
		if err := checkType(q.Type); err != nil {
			return err
		}
		address = s.BaseURL.JoinPath("fhir", q.Type, "_history")
	}
	if q.shape.counts() {
		return fhir.NewError(fhir.CodeNotSupported, "", "The versions of many resources are not counted; _summary=count is for one resource's").
			WithStatus(http.StatusBadRequest)
	}
	wanted := postgres.Writes{Type: q.Type, Since: q.Since, Count: q.Count, Bytes: s.PageBytes}
	if wanted.After, err = s.writtenPlace(w.Principal.Org, q); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	versions, next, err := s.Store.Writes(ctx, w.Principal.Org, wanted)
	if err != nil {
		return storeError(err)
	}
	b := historyBundle{ResourceType: "Bundle", Type: "history", Link: []bundleLink{{"self", pageURL(address, q.understood, "")}}}
	if next != nil {
		place := binary.BigEndian.AppendUint64(nil, uint64(next.SettledAt.UnixMicro()))
		place = binary.BigEndian.AppendUint32(append(place, next.Digest[:]...), uint32(next.Position))
		token := s.signPlace(place, writesPurpose, q.bound(w.Principal.Org)...)
		b.Link = append(b.Link, bundleLink{"next", pageURL(address, q.understood, token)})
	}
	interaction := "history-system"
	if q.Type != "" {
		interaction = "history-type"
	}
	return s.writeHistory(w, r, interaction, b, versions, q.shape)
}

// writtenPlace returns the place in q's page token, the zero place without one.
func (s *Server) writtenPlace(org string, q historyQuery) (p postgres.Written, err error) {
	if q.page == "" {
		return p, nil
	}
	place, ok := s.signedPlace(q.page, 8+len(referral.Digest{})+4, writesPurpose, q.bound(org)...)
	if !ok {
		return p, fhir.NewError(fhir.CodeValue, "", "_page is not from a next link of this history for this client")
	}
	p.SettledAt = time.UnixMicro(int64(binary.BigEndian.Uint64(place)))
	p.Position = int(binary.BigEndian.Uint32(place[8+copy(p.Digest[:], place[8:]):]))
	return p, nil
}

// writesPurpose is what the signature in a page token of such a history is for.
const writesPurpose = "writes-page-v1"
