package aws_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// parameters are COST.md's numbers by name.
func parameters(t *testing.T) map[string]float64 {
	t.Helper()
	p := map[string]float64{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([0-9.,]+) ?[^|]* \\| [^|]+ \\|$").FindAllStringSubmatch(read(t, "COST.md"), -1) {
		v, err := strconv.ParseFloat(strings.ReplaceAll(m[2], ",", ""), 64)
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		p[m[1]] = v
	}
	if len(p) < 25 {
		t.Fatalf("got %d parameters", len(p))
	}
	return p
}

// milliseconds of one invocation, as COST.md derives them: what was measured on whole cores, on the share of one that the
// memory buys, and the way to SQS or the database.
func milliseconds(p map[string]float64, memory map[string]float64) (ingest, processor, query float64) {
	share := func(function string) float64 { return memory[function] / p["mb_a_core"] }
	ingest = p["accept_ms"]/share("ingest") + p["sqs_ms"]
	processor = p["cores"]*1000/p["settled_a_second"]/share("processor") + p["store_ms"]
	query = p["cores"]*1000/p["reads_a_second"]/share("query") + p["store_ms"]
	return ingest, processor, query
}

// memories are the functions' megabytes in the template.
func memories(t *testing.T) map[string]float64 {
	t.Helper()
	m := map[string]float64{}
	for resource, function := range functions {
		m[function] = float64(template(t).at("Resources/" + resource + "/Properties/MemorySize").(int))
	}
	return m
}

// TestCost: COST.md's results follow from its parameters. Change a price there, and this says which lines to change.
func TestCost(t *testing.T) {
	p, memory := parameters(t), memories(t)
	ingest, processor, query := milliseconds(p, memory)
	requests := 1 + p["reads_a_referral"]
	gigabyteSeconds := (ingest*memory["ingest"] + processor*memory["processor"] + p["reads_a_referral"]*query*memory["query"]) / 1024 // of 1,000 referrals
	alarms := float64(len(template(t).ofType(t, "AWS::CloudWatch::Alarm")))
	metrics := float64(len(template(t).ofType(t, "AWS::Logs::MetricFilter")))
	for _, m := range telemetry.Catalogue() {
		metrics += float64(len(m.Services) * max(len(m.Values), 1))
	}
	million := func(count, price float64) float64 { return 1000 * count * price / 1e6 }
	lines := []struct {
		name string
		usd  float64
	}{
		{"API Gateway", million(requests, p["rest"])},
		{"WAF", million(requests, p["waf"])},
		{"Lambda, requests", million(requests+1, p["lambda"])},
		{"Lambda, time", gigabyteSeconds * p["lambda_gb_s"]},
		{"SQS: send, receive, delete", million(3, p["sqs"]+p["sqs_fair"])},
		{"CloudWatch logs", 1000 * p["log_kib"] / (1 << 20) * p["log_gb"]},
		{"X-Ray", million((requests+1)*p["traced"], p["trace"])},
		{"Aurora, writes", million(p["wal_kib"]/4, p["io"])},
	}
	want, total := []string{}, 0.0
	for _, l := range lines {
		want, total = append(want, fmt.Sprintf("| %s | %.4f |", l.name, l.usd)), total+l.usd
	}
	standing := []struct {
		name string
		usd  float64
	}{
		{"Aurora, two instances at 2 ACU", 2 * 2 * 730 * p["acu_hour"]},
		{"Endpoints, 4 in 2 zones", 4 * 2 * 730 * p["endpoint_hour"]},
		{"WAF, one list and 4 rules", p["waf_acl"] + 4*p["waf_rule"]},
		{"Alarms, metrics, dashboard", alarms*p["alarm"] + metrics*p["metric"] + p["dashboard"]},
	}
	month := 0.0
	for _, l := range standing {
		want, month = append(want, fmt.Sprintf("| %s | %.2f |", l.name, l.usd)), month+l.usd
	}
	want = append(want, fmt.Sprintf("| **together** | **%.4f** |", total), fmt.Sprintf("| **together** | **%.2f** |", month),
		fmt.Sprintf("ingest %.1f ms, processor %.1f ms, query %.1f ms", ingest, processor, query),
		fmt.Sprintf("%.4f USD a month", 1000*p["stored_kib"]/(1<<20)*p["storage_gb"]))

	for _, rate := range []float64{10, 100, 1000, 10000} {
		at := func(ms float64) float64 { return math.Ceil(rate * ms / 1000) }
		i, r, q := at(ingest), at(processor), at(query*p["reads_a_referral"])
		want = append(want, fmt.Sprintf("| %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %.1f | %.1f |", rate, rate*requests, i, r, q, 2*r+3*(i+q),
			rate*p["cores"]/p["settled_a_second"], rate*p["wal_kib"]/1024))
	}
	prod := map[string]float64{"IngestConcurrency": 100, "ProcessorConcurrency": 50} // samconfig.toml
	want = append(want,
		fmt.Sprintf("| %.0f | the stage's throttle", p["stage_rps"]/requests),
		fmt.Sprintf("| %.0f | API Gateway's quota of the account", p["gateway_rps"]/requests),
		fmt.Sprintf("| %.0f | `ProcessorConcurrency`", math.Floor(prod["ProcessorConcurrency"]*1000/processor)),
		fmt.Sprintf("| %.0f | `IngestConcurrency`", math.Floor(prod["IngestConcurrency"]*1000/ingest)),
		fmt.Sprintf("| %.0f | Lambda's concurrency of the account", math.Floor((p["lambda_concurrency"]-100)*1000/(ingest+processor+query*p["reads_a_referral"]))),
	)
	text := read(t, "COST.md")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("COST.md lacks %q", w)
		}
	}
}

// TestMeasured: what COST.md says was measured is what README.md's benchmark says.
func TestMeasured(t *testing.T) {
	p, bench := parameters(t), read(t, "..", "..", "README.md")
	for name, line := range map[string]string{
		"accept_ms": "accept p50, 1 clients", "settled_a_second": "settled, end to end", "reads_a_second": "reads, 8 clients",
		"stored_kib": "stored", "wal_kib": "WAL, queue and store",
	} {
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + ` +([0-9.]+) `).FindStringSubmatch(bench)
		if m == nil {
			t.Errorf("README.md has no %q", line)
			continue
		}
		if want, _ := strconv.ParseFloat(m[1], 64); p[name] != want {
			t.Errorf("%s: got %v, README.md has %v", name, p[name], want)
		}
	}
}
