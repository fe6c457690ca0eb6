package query

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
)

// referralList is a page of the referrals that the caller's organisation sent or is addressed by, as plain JSON.
type referralList struct {
	// Total and States count what meets the parameters, States without regard to state. Counting stops at 1,000 a
	// state: AtLeast says that it did. A page of a newer link has none of the three.
	Total   *int           `json:"total,omitempty"`
	AtLeast bool           `json:"atLeast,omitempty"`
	States  map[string]int `json:"states,omitempty"`

	Referrals []json.RawMessage `json:"referrals"`
	Next      string            `json:"next,omitempty"`
	// Newer is where to go on, as often as one likes: it leads to what settles from now on, oldest first, and misses
	// nothing, however late its transaction commits. What is settling at this moment may be here and there.
	Newer string `json:"newer"`
}

// listQuery is a list as it was asked for.
type listQuery struct {
	postgres.List
	page       string     // token of a next or newer link, or empty
	understood url.Values // of the parameters, without page
}

// referrals serves GET /referrals: what has settled or is quarantined, newest first. What is accepted and not settled
// yet has no row in the store, and is in no list: its status URL tells.
func (s *Server) referrals(w *fhirhttp.Response, r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fhir.NewError(fhir.CodeValue, "", "The query string is malformed")
	}
	q, err := parseList(values)
	if err != nil {
		return err
	}
	if q.After, err = s.listPlace(w.Principal.Org, q); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.StoreTimeout)
	defer cancel()
	listed, err := s.Store.List(ctx, w.Principal.Org, q.List)
	if errors.Is(err, postgres.ErrPlace) {
		return fhir.NewError(fhir.CodeValue, "", "_page is from before the store was restored: begin again without it, and expect some that you have")
	}
	if err != nil {
		return storeError(err)
	}
	body, err := s.list(w.Principal.Org, q, listed)
	if err == nil {
		err = s.record(w, r, postgres.Access{Interaction: "search-type", Entity: "referrals", Query: q.understood.Encode(), Shown: s.about(listed.Submissions...)})
	}
	if err != nil {
		return err
	}
	fhirhttp.WriteAs(w, http.StatusOK, plainJSON, body)
	return nil
}

// list returns the page, which ends with the referral that passes the limit of bytes.
func (s *Server) list(org string, q listQuery, listed postgres.Listed) ([]byte, error) {
	page, size := referralList{Referrals: []json.RawMessage{}}, 0
	for i, submission := range listed.Submissions {
		if size >= s.PageBytes {
			listed.More = true
			if q.After.Forward {
				listed.Newer = listed.Places[i-1]
			}
			break
		}
		view, err := encode(s.view(submission))
		if err != nil {
			return nil, err
		}
		page.Referrals, size = append(page.Referrals, view), size+len(view)
	}
	page.Newer = s.listURL(org, q, listed.Newer)
	switch n := len(page.Referrals); {
	case listed.More && q.After.Forward:
		page.Next = page.Newer
	case listed.More:
		page.Next = s.listURL(org, q, listed.Places[n-1])
	}
	if listed.Counts != nil {
		page.count(q, listed.Counts)
	}
	return encode(page)
}

func (l *referralList) count(q listQuery, counts map[referral.State]int) {
	total := 0
	l.Total, l.States = &total, map[string]int{}
	for state, n := range counts {
		l.States[string(state)] = n
		l.AtLeast = l.AtLeast || n == postgres.MaxListCount
		if len(q.States) == 0 || slices.Contains(q.States, state) {
			total += n
		}
	}
}

// listURL is the address of the page of q behind place.
func (s *Server) listURL(org string, q listQuery, place postgres.Place) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(place.Number))
	purpose := listPurpose
	if place.Forward {
		purpose = forwardPurpose
	}
	token := s.signPlace(append(b, place.Digest[:]...), purpose, org, q.understood.Encode())
	return pageURL(s.BaseURL.JoinPath("referrals"), q.understood, token)
}

// listPlace returns the place in q's page token, the zero Place without one.
func (s *Server) listPlace(org string, q listQuery) (postgres.Place, error) {
	if q.page == "" {
		return postgres.Place{}, nil
	}
	for _, purpose := range []string{listPurpose, forwardPurpose} {
		if b, ok := s.signedPlace(q.page, 8+len(referral.Digest{}), purpose, org, q.understood.Encode()); ok {
			return postgres.Place{
				Forward: purpose == forwardPurpose, Number: int64(binary.BigEndian.Uint64(b)), Digest: referral.Digest(b[8:]),
			}, nil
		}
	}
	return postgres.Place{}, fhir.NewError(fhir.CodeValue, "", "_page is not from a next or newer link of this list for this client")
}

// parseList understands the parameters of GET /referrals. Each stands once; unknown ones are refused.
func parseList(values url.Values) (listQuery, error) {
	q := listQuery{List: postgres.List{Count: defaultCount}, understood: url.Values{}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) != 1 {
			return listQuery{}, fhir.NewError(fhir.CodeValue, "", "Each parameter of /referrals stands once; state and priority take several values, with commas between")
		}
		if err := q.add(name, values.Get(name)); err != nil {
			return listQuery{}, err
		}
	}
	return q, nil
}

func (q *listQuery) add(name, value string) error {
	var err error
	switch name {
	case "state":
		for _, state := range strings.Split(value, ",") {
			if !slices.Contains(postgres.ListedStates(), referral.State(state)) {
				return fhir.NewError(fhir.CodeValue, "", "state is one or more of completed, rejected, quarantined and cancelled, with commas between; "+
					"what is accepted and has not settled is not listed: ask its status URL")
			}
			q.States = append(q.States, referral.State(state))
		}
	case "priority":
		for _, priority := range strings.Split(value, ",") {
			if !slices.Contains([]string{"routine", "urgent", "asap", "stat"}, priority) {
				return fhir.NewError(fhir.CodeValue, "", "priority is one or more of routine, urgent, asap and stat, with commas between")
			}
			q.Priorities = append(q.Priorities, priority)
		}
	case "from":
		q.Sender, err = parseOrg(name, value)
	case "to":
		q.Addressee, err = parseOrg(name, value)
	case "since":
		q.Since, err = parseInstant(name, value)
	case "_count":
		n, notNumber := strconv.Atoi(value)
		if notNumber != nil || n < 1 {
			return fhir.NewError(fhir.CodeValue, "", "_count is one number from 1")
		}
		q.Count = min(n, maxCount)
	case "_page":
		q.page = value
		return nil
	case "_format":
		return nil // fhirhttp.CheckAccept has seen it
	default:
		return fhir.NewError(fhir.CodeNotSupported, "", "A parameter is not supported; those of /referrals are state, from, to, since, priority, _count and _format").
			WithStatus(http.StatusBadRequest)
	}
	q.understood.Set(name, value)
	return err
}

func parseOrg(name, value string) (string, error) {
	if len(value) != 16 || strings.Trim(value, "0123456789") != "" {
		return "", fhir.NewError(fhir.CodeValue, "", name+" is an HPI-O, 16 digits")
	}
	return value, nil
}

// parseInstant takes an instant with a time zone, or a day in UTC.
func parseInstant(name, value string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil && t.Year() > 0 {
			return t, nil
		}
	}
	return time.Time{}, fhir.NewError(fhir.CodeValue, "", name+" is an instant with a time zone, such as 2026-11-22T09:00:00+11:00, "+
		"in a URL with %2B for the plus sign, or a day in UTC, such as 2026-11-22")
}
