package query_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestWhatIsRemovedIsGone: of a record whose time is over, reads say that it is gone, history that it was deleted, and no
// search, include or list has it; the status still tells its sender that the submission has settled.
func TestWhatIsRemovedIsGone(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := newServerOn(t, url)
	settlement := s.settle(sent(s.settlement(1, recipient), `{"resourceType":"Bundle"}`))
	message := sent(s.settlement(2, recipient), `{"resourceType":"Bundle"}`)
	message.BundleType = "message"
	s.settle(message)
	retention := open(t, url, postgres.RoleRetention)
	p := postgres.Retention{Years: 7, ChildAge: 25, SubmissionYears: 7, Now: time.Now().AddDate(26, 0, 0)}
	if err := retention.Records(t.Context(), p, func(r postgres.Record) error {
		removed, err := retention.Remove(t.Context(), p, r, postgres.Operation{Operator: "jane@bastion", Reason: "CHG-1"})
		if !removed {
			t.Errorf("%s is kept", r.Patient)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	patient, order, id := settlement.Resources[0], settlement.Resources[1], s.id(settlement, sender)
	for _, test := range []struct {
		key, target string
		status      int
		has         string
	}{
		{"dev-sender", "/fhir/Patient/" + patient.ID.String(), http.StatusGone, `"code":"deleted"`},
		{"dev-recipient", "/fhir/ServiceRequest/" + order.ID.String(), http.StatusGone, `"code":"deleted"`},
		{"dev-other", "/fhir/Patient/" + patient.ID.String(), http.StatusNotFound, `"code":"not-found"`},
		{"dev-sender", "/fhir/Patient/" + patient.ID.String() + "/_history/1", http.StatusNotFound, ""},
		{"dev-recipient", "/fhir/Patient/" + patient.ID.String() + "/_history", http.StatusOK, `"method":"DELETE"`},
		{"dev-sender", "/fhir/Patient", http.StatusOK, `"type":"searchset"`},
		{"dev-recipient", "/fhir/ServiceRequest?_include=ServiceRequest:patient", http.StatusOK, `"type":"searchset"`},
		{"dev-sender", "/fhir/Patient/" + patient.ID.String() + "/$everything", http.StatusGone, ""},
		{"dev-recipient", "/referrals", http.StatusOK, `"total":0`},
		{"dev-sender", "/fhir/_history", http.StatusOK, ""},
		{"dev-sender", "/fhir/_status/" + id, http.StatusOK, `"response":{"status":"410 Gone","outcome":{"resourceType":"OperationOutcome"`},
		{"dev-sender", "/fhir/_status/" + s.id(message, sender), http.StatusOK, `"response":{"status":"410 Gone"`},
		{"dev-sender", "/referrals/" + id, http.StatusOK, `"state":"completed"`},
		{"dev-sender", "/referrals/" + id + "/bundle", http.StatusGone, `"code":"deleted"`},
		{"dev-recipient", "/referrals/" + id + "/bundle", http.StatusNotFound, ""},
	} {
		w := s.get(test.key, test.target)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.has) || strings.Contains(w.Body.String(), "SYN-1") || strings.Contains(w.Body.String(), "Echocardiogram") {
			t.Errorf("%s %s: got %d %s", test.key, test.target, w.Code, w.Body)
		}
		if test.status == http.StatusOK && strings.Contains(test.has, "searchset") && len(fhir.AsBundle(parse(t, w)).Entries) > 0 {
			t.Errorf("%s %s: got %s", test.key, test.target, w.Body)
		}
	}
}
