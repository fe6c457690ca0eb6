package query_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestEveryAnswerIsAudited: each answer with patient data has its row, which says who saw whose, before it is sent; where
// the row cannot be written, there is no answer.
func TestEveryAnswerIsAudited(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := newServerOn(t, url)
	settlement := s.settle(s.settlement(1, recipient))
	patient, order := settlement.Resources[0], settlement.Resources[1]
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	id := s.id(settlement, sender)
	for _, test := range []struct {
		key, method, target, body string
		interaction, entity       string
		resources                 int // of the patient
	}{
		{"dev-sender", "GET", "/fhir/Patient/" + patient.ID.String(), "", "read", patient.Name(), 1},
		{"dev-recipient", "GET", "/fhir/ServiceRequest/" + order.ID.String(), "", "read", order.Name(), 1},
		{"dev-sender", "GET", "/fhir/" + order.Name(), "", "vread", order.Name(), 1},
		{"dev-sender", "GET", "/fhir/Patient/" + patient.ID.String() + "/_history", "", "history-instance", "Patient/" + patient.ID.String() + "/_history", 1},
		{"dev-sender", "GET", "/fhir/Patient/_history", "", "history-type", "Patient/_history", 1},
		{"dev-sender", "GET", "/fhir/_history", "", "history-system", "_history", 2},
		{"dev-recipient", "GET", "/fhir/ServiceRequest?identifier=SYN-1&_include=ServiceRequest:patient", "", "search-type", "ServiceRequest", 2},
		{"dev-recipient", "POST", "/fhir/Patient/_search", "identifier=SYN-1", "search-type", "Patient", 1},
		{"dev-sender", "GET", "/fhir/Patient?identifier=none", "", "search-type", "Patient", 0},
		{"dev-sender", "GET", "/fhir/Patient?_summary=count", "", "search-type", "Patient", 0},
		{"dev-sender", "GET", "/fhir/Patient/" + patient.ID.String() + "/$everything", "", "everything", "Patient/" + patient.ID.String(), 2},
		{"dev-sender", "GET", "/fhir/_status/" + id, "", "read", "_status/" + id, 2},
		{"dev-sender", "GET", "/referrals/" + id, "", "read", "referrals/" + id, 2},
		{"dev-recipient", "GET", "/referrals", "", "search-type", "referrals", 2},
	} {
		do := func() (int, string) {
			w := s.do(test.key, test.method, test.target, test.body, "Content-Type", form)
			return w.Code, w.Body.String()
		}
		var before, after, resources int
		var client, interaction, entity, requestID string
		const count = `select count(*) from audit where action <> 'C'`
		if err := conn.QueryRow(t.Context(), count).Scan(&before); err != nil {
			t.Fatal(err)
		}
		if status, body := do(); status != http.StatusOK {
			t.Errorf("%s: got %d %s", test.target, status, body)
			continue
		}
		if err := conn.QueryRow(t.Context(), count).Scan(&after); err != nil || after != before+1 {
			t.Errorf("%s: got %d rows more, %v, want 1", test.target, after-before, err)
		}
		if err := conn.QueryRow(t.Context(), `select client, interaction, entity, request_id, case when patient = $1 then cardinality(resources) else 0 end
			from audit order by id desc limit 1`, patient.ID.String()).Scan(&client, &interaction, &entity, &requestID, &resources); err != nil {
			t.Fatal(err)
		}
		if client != test.key || interaction != test.interaction || entity != test.entity || requestID != "request-1" || resources != test.resources {
			t.Errorf("%s: got %s, %s, %s, %s, %d resources of the patient; want %s, %s, %s, request-1, %d",
				test.target, client, interaction, entity, requestID, resources, test.key, test.interaction, test.entity, test.resources)
		}
		exec(`revoke insert on audit from referral_query`)
		if status, body := do(); status != http.StatusServiceUnavailable || strings.Contains(body, "SYN-") || strings.Contains(body, patient.ID.String()) {
			t.Errorf("%s without its audit: got %d %s, want 503 and nothing of the patient", test.target, status, body)
		}
		exec(`grant insert on audit to referral_query`)
	}
	for _, sql := range []string{`update audit set client = ''`, `delete from audit`, `truncate audit`} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s, by a superuser: got no error", sql)
		}
	}
}
