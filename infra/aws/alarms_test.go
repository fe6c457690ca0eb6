package aws_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestRunbook: each alarm has its section in README.md, which says what it means, where to look and how to mend it, and
// each section an alarm.
func TestRunbook(t *testing.T) {
	_, runbook, found := strings.Cut(read(t, "README.md"), "\n## Alarms\n")
	runbook, _, _ = strings.Cut(runbook, "\n## ")
	if !found {
		t.Fatal("README.md has no section Alarms")
	}
	sections := map[string]string{}
	for _, s := range strings.Split(runbook, "\n### ")[1:] {
		name, text, _ := strings.Cut(s, "\n")
		sections[name] = text
	}
	for name, alarm := range template(t).ofType(t, "AWS::CloudWatch::Alarm") {
		text, ok := sections[name]
		delete(sections, name)
		for _, part := range []string{"**Meaning.**", "**First look.**", "**Mend.**"} {
			if !ok || !strings.Contains(text, part) {
				t.Errorf("%s: the runbook has no %s", name, part)
			}
		}
		if fmt.Sprint(alarm.at("Properties/AlarmActions")) != "[map[Ref:Alarms]]" {
			t.Errorf("%s: got %v, want that somebody is told", name, alarm.at("Properties/AlarmActions"))
		}
	}
	for name := range sections {
		t.Errorf("the runbook has %s, which is no alarm", name)
	}
}

// TestTroubleshooting: what is seen is told by where it comes from, and what it refers to is there.
func TestTroubleshooting(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "README.md"), "\n## Troubleshooting\n")
	alarms := template(t).ofType(t, "AWS::CloudWatch::Alarm")
	for _, group := range []string{"Authentication", "Validation", "Lambda", "Database"} {
		_, table, found := strings.Cut(text, "\n### "+group+"\n")
		table, _, _ = strings.Cut(table, "\n### ")
		if rows := strings.Count(table, "\n|") - 2; !found || rows < 5 {
			t.Errorf("%s: got %d rows", group, rows)
		}
	}
	for _, m := range regexp.MustCompile(`\b(\w+Alarm)\b`).FindAllString(read(t, "README.md"), -1) {
		if alarms[m] == nil {
			t.Errorf("README.md speaks of %s, which is no alarm", m)
		}
	}
}

// TestLogLines: what the metric filters look for is what the code writes.
func TestLogLines(t *testing.T) {
	all := strings.Builder{}
	for _, text := range code(t) {
		all.WriteString(text)
	}
	format := template(t).at("Resources/Api/Properties/AccessLogSetting/Format").(string)
	message, field := regexp.MustCompile(`\$\.msg = "([^"*]+)(\*?)"`), regexp.MustCompile(`\$\.(\w+)\b`)
	made := map[string]bool{}
	for name, filter := range template(t).ofType(t, "AWS::Logs::MetricFilter") {
		metric := filter.at("Properties/MetricTransformations").([]any)[0].(node)
		pattern := filter.at("Properties/FilterPattern").(string) + " " + metric["MetricValue"].(string)
		made[metric["MetricName"].(string)] = true
		if filter.at("Properties/LogGroupName/Ref") == "ApiLog" {
			for _, m := range field.FindAllStringSubmatch(pattern, -1) {
				if !strings.Contains(format, `"`+m[1]+`":`) {
					t.Errorf("%s: the access log has no %s", name, m[1])
				}
			}
			continue
		}
		for _, m := range message.FindAllStringSubmatch(pattern, -1) {
			want := `"` + m[1] + `"`
			if m[2] == "*" {
				want = `"` + m[1]
			}
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: the code logs no %s", name, want)
			}
		}
		for _, m := range field.FindAllStringSubmatch(pattern, -1) {
			if m[1] != "msg" && !strings.Contains(all.String(), `("`+m[1]+`",`) {
				t.Errorf("%s: the code logs no field %s", name, m[1])
			}
		}
	}
	for name, alarm := range template(t).ofType(t, "AWS::CloudWatch::Alarm") {
		metric, _ := alarm.at("Properties/MetricName").(string)
		if fmt.Sprint(alarm.at("Properties/Namespace")) == "map[Ref:AWS::StackName]" && alarm["Properties"].(node)["Dimensions"] == nil && !made[metric] {
			t.Errorf("%s: no filter makes %s", name, metric)
		}
	}
}

// TestSums: in a sum, a function that does nothing, and so has no metric, counts as 0. Otherwise the sum is nothing, and so
// no alarm.
func TestSums(t *testing.T) {
	for name, alarm := range template(t).ofType(t, "AWS::CloudWatch::Alarm") {
		metrics, _ := alarm.at("Properties/Metrics").([]any)
		expression := ""
		for _, m := range metrics {
			if text, ok := m.(node)["Expression"].(string); ok {
				expression = text
			}
		}
		for _, m := range metrics {
			id := m.(node)["Id"].(string)
			if id != "result" && !strings.Contains(expression, "FILL(METRICS(), 0)") && !strings.Contains(expression, "FILL("+id+", 0)") {
				t.Errorf("%s: got %q, which is nothing while %s has no metric", name, expression, id)
			}
		}
	}
}

// TestDashboard: it is JSON, and its first row shows what comes in, what settles, what waits and what waits for somebody.
func TestDashboard(t *testing.T) {
	body := template(t).at("Resources/Dashboard/Properties/DashboardBody/Fn::Sub").([]any)[0].(string)
	var dashboard struct {
		Widgets []struct {
			X, Y, Width int
			Properties  struct{ Metrics [][]any }
		}
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatal(err)
	}
	first, rows := "", map[int]int{}
	for _, w := range dashboard.Widgets {
		rows[w.Y] += w.Width
		if w.Y == 0 {
			first += fmt.Sprint(w.Properties.Metrics)
		}
	}
	for _, metric := range []string{"NumberOfMessagesSent", "NumberOfMessagesDeleted", "ApproximateAgeOfOldestMessage", "DeadLetterQueue"} {
		if !strings.Contains(first, metric) {
			t.Errorf("the first row has no %s", metric)
		}
	}
	for y, width := range rows {
		if width != 24 {
			t.Errorf("the row at %d is %d wide, want 24", y, width)
		}
	}
}
