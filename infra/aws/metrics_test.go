package aws_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// TestFunctionsMetrics: what alarms and dashboard show of the functions' own metrics, which have the dimension Service, is
// what the code emits, under the same name, of the same function, in the namespace that it is told.
func TestFunctionsMetrics(t *testing.T) {
	if got := fmt.Sprint(template(t).at("Globals/Function/Environment/Variables/AWS_EMF_NAMESPACE")); got != "map[Ref:AWS::StackName]" {
		t.Errorf("got the namespace %s, want that of alarms and dashboard, the stack's name", got)
	}
	shown := 0
	check := func(where, metric string, dimensions map[string]string) {
		service, ours := dimensions["Service"]
		if !ours {
			return
		}
		shown++
		i := slices.IndexFunc(telemetry.Catalogue(), func(m telemetry.Metric) bool { return m.Name == metric })
		if i < 0 {
			t.Errorf("%s: the code emits no %s", where, metric)
			return
		}
		m := telemetry.Catalogue()[i]
		if !slices.Contains(m.Services, service) {
			t.Errorf("%s: %s is of %v, not of %s", where, metric, m.Services, service)
		}
		if value, labelled := dimensions[m.Label]; labelled != (m.Label != "") || labelled && !slices.Contains(m.Values, value) {
			t.Errorf("%s: %s has the dimension %q with one of %q, got %v", where, metric, m.Label, m.Values, dimensions)
		}
	}
	for name, alarm := range template(t).ofType(t, "AWS::CloudWatch::Alarm") {
		p := alarm["Properties"].(node)
		list, _ := p["Dimensions"].([]any)
		dimensions := map[string]string{}
		for _, d := range list {
			dimensions[fmt.Sprint(d.(node)["Name"])] = fmt.Sprint(d.(node)["Value"])
		}
		check(name, fmt.Sprint(p["MetricName"]), dimensions)
	}
	body := template(t).at("Resources/Dashboard/Properties/DashboardBody/Fn::Sub").([]any)[0].(string)
	var dashboard struct {
		Widgets []struct {
			Properties struct {
				Title   string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, w := range dashboard.Widgets {
		for _, metric := range w.Properties.Metrics {
			dimensions := map[string]string{}
			for i := 2; i+1 < len(metric); i += 2 {
				dimensions[fmt.Sprint(metric[i])] = fmt.Sprint(metric[i+1])
			}
			check(w.Properties.Title, fmt.Sprint(metric[1]), dimensions)
		}
	}
	if shown < 7 {
		t.Errorf("alarms and dashboard show %d of the functions' metrics, want two alarms and five lines", shown)
	}
}
