package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestRetention: a plan changes nothing, a hold keeps, a run removes as many as it may, and the rest when it is run again.
func TestRetention(t *testing.T) {
	settings(t)
	referralctl(t, "", "retention", "plan").want(t, exitUsage, "", "DATABASE_URL")
	url := pgtest.New(t)
	t.Setenv("DATABASE_URL", url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// Four adults of eight years ago, and a child.
	exec(`insert into resource (id, type, org, version, last_updated, vid, meta, content)
		select ('01800000-0000-7000-8000-00000000000' || n)::uuid, 'Patient', '8003621566684455', 1, now() - interval '8 years', n, '',
			'"name":[{"family":"Synthetic","given":["Test","Only"]}],"birthDate":"' || case n when 5 then to_char(now() - interval '12 years', 'YYYY-MM-DD') else '1970-01-01' end || '"'
		from generate_series(1, 5) n`)
	count := func(want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(t.Context(), `select (select count(*) from resource) || ' resources, ' || (select count(*) from audit where action = 'D') || ' removed'`).Scan(&got); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	referralctl(t, "", "retention", "hold", "--patient", "01800000-0000-7000-8000-000000000001", "--reason", "subpoena 7").want(t, 0, "Hold 1 is placed: patient 01800000-0000-7000-8000-000000000001 of organisation 8003621566684455.", "")
	referralctl(t, "", "retention", "hold", "--patient", "01800000-0000-7000-8000-000000000009", "--reason", "x").want(t, exitFailed, "", "nothing of that id")
	plan := referralctl(t, "", "retention", "plan")
	plan.want(t, 0, "3 records are due. Nothing was changed", "")
	for _, want := range []string{
		"adult 8003621566684455 3 3 0 1 0 0",
		"child 8003621566684455 0 0 0 0 1 0 -",
	} {
		if got := strings.Join(strings.Fields(plan.out), " "); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	}
	referralctl(t, "", "--json", "retention", "plan").want(t, 0, `{"dryRun":true,"due":3,"groups":[{"class":"adult","org":"8003621566684455","due":3,"resources":3,"submissions":0,"held":1,`, "")
	referralctl(t, "", "retention", "run").want(t, 0, "Nothing was changed", "")
	count("5 resources, 0 removed")
	referralctl(t, "", "retention", "run", "--yes", "--reason", "CHG-1", "--max", "2", "--rate", "1000").want(t, 0, "Removed 2 records.\n", "")
	count("3 resources, 2 removed")
	referralctl(t, "", "--json", "retention", "run", "--yes", "--reason", "CHG-1", "--rate", "1000").want(t, 0, `{"busy":0,"removed":1}`, "")
	referralctl(t, "", "retention", "run", "--yes", "--reason", "CHG-1").want(t, 0, "Removed 0 records.\n", "")
	count("2 resources, 3 removed")
	referralctl(t, "", "retention", "holds").want(t, 0, ": subpoena 7; stands\n1 holds.", "")
	referralctl(t, "", "retention", "release", "1", "--reason", "settled").want(t, 0, "Hold 1 is lifted", "")
	referralctl(t, "", "retention", "release", "1", "--reason", "settled").want(t, exitFailed, "", "it was lifted")
	referralctl(t, "", "--json", "retention", "holds").want(t, 0, `{"holds":[]}`, "")
	referralctl(t, "", "retention", "holds", "--all").want(t, 0, ": settled\n1 holds.", "")
	referralctl(t, "", "retention", "run", "--yes", "--reason", "CHG-2").want(t, 0, "Removed 1 records.\n", "")
	count("1 resources, 4 removed")
	referralctl(t, "", "retention", "register").want(t, exitUsage, "", "--reason")
	register := referralctl(t, "", "retention", "register", "--reason", "request 3")
	register.want(t, 0, "Test Only Synthetic\n4 records were removed.", "")
	referralctl(t, "", "--json", "retention", "register", "--organisation", "8003629900040359", "--reason", "x").want(t, 0, `{"removed":[]}`, "")
}

// TestRetentionKeepsToTheLaw: less than its least needs a reason, as every removal and hold does.
func TestRetentionKeepsToTheLaw(t *testing.T) {
	settings(t)
	t.Setenv("DATABASE_URL", pgtest.New(t))
	for want, args := range map[string][]string{
		"less than 7 years":      {"plan", "--years", "6"},
		"or than until 25":       {"plan", "--child-age", "24"},
		"--below-law why":        {"run", "--submission-years", "6", "--yes", "--reason", "x"},
		"are 1 to 200":           {"plan", "--years", "0", "--below-law", "none"},
		"--yes needs --reason":   {"run", "--yes"},
		"1 to 1000 records":      {"run", "--rate", "0"},
		"missing flags":          {"hold", "--reason", "x"},
		"--reason=TEXT":          {"hold", "--organisation", "8003621566684455"},
		"the id of a Patient":    {"hold", "--patient", "x", "--reason", "x"},
		"the id of a submission": {"hold", "--submission", "x", "--reason", "x"},
		"can't be used together": {"hold", "--patient", "x", "--submission", "x", "--reason", "x"},
	} {
		referralctl(t, "", append([]string{"retention"}, args...)...).want(t, exitUsage, "", want)
	}
	referralctl(t, "", "retention", "plan", "--years", "6", "--below-law", "test data").want(t, 0, "0 records are due", "")
}
