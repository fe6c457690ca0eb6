package schemas_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhir"
)

// BenchmarkCheck measures a clinical referral of 15 entries.
func BenchmarkCheck(b *testing.B) {
	doc := referral(b)
	v := schemas.New(schemas.Config{})
	v.Check(doc, "")
	b.ReportAllocs()
	for b.Loop() {
		if issues := failing(v.Check(doc, "")); len(issues) > 0 {
			b.Fatal(issues)
		}
	}
}

// BenchmarkFirstUse measures what the first document after start pays for reading the schemas of its types.
func BenchmarkFirstUse(b *testing.B) {
	doc := referral(b)
	b.ReportAllocs()
	for b.Loop() {
		schemas.New(schemas.Config{}).Check(doc, "")
	}
}

// BenchmarkGateAndCheck measures all that stands between a body and the 202, with the slowest hundredth.
func BenchmarkGateAndCheck(b *testing.B) {
	data, err := os.ReadFile("../testdata/referrals/cardiology-referral.json")
	if err != nil {
		b.Fatal(err)
	}
	v := schemas.New(schemas.Config{})
	v.Check(referral(b), "")
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		doc, err := fhir.Parse(data, "Bundle", fhir.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		v.Check(doc, "Bundle")
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(time.Second)/float64(took[len(took)/2]), "Bundles/s")
}

// BenchmarkAttachment measures a Bundle with 3 MB of attachment, gate included.
func BenchmarkAttachment(b *testing.B) {
	data := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Binary","contentType":"application/octet-stream","data":%q}}]}`,
		base64.StdEncoding.EncodeToString(make([]byte, 3<<20*3/4)))
	v := schemas.New(schemas.Config{})
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		doc, err := fhir.Parse(data, "Bundle", fhir.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		v.Check(doc, "Bundle")
	}
}

// BenchmarkWorstExample measures each published example, tells the slowest, and the heap once every type and profile
// that they use is loaded.
func BenchmarkWorstExample(b *testing.B) {
	names, err := filepath.Glob("../../shared/fhir/examples/*.json")
	if err != nil || len(names) == 0 {
		b.Skip("the published examples are not beside this repository")
	}
	v := schemas.New(schemas.Config{})
	docs := make([][]byte, len(names))
	check := func(data []byte) time.Duration {
		begin := time.Now()
		doc, err := fhir.Parse(data, "Resource", fhir.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		v.Check(doc, "")
		return time.Since(begin)
	}
	for i, name := range names {
		if docs[i], err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
		check(docs[i])
	}
	var worst time.Duration
	for b.Loop() {
		for _, data := range docs {
			worst = max(worst, check(data))
		}
	}
	b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
	clear(docs)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
	runtime.KeepAlive(v)
}

func referral(tb testing.TB) *fhir.Value {
	tb.Helper()
	data, err := os.ReadFile("../testdata/referrals/cardiology-referral.json")
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := fhir.Parse(data, "Bundle", fhir.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}
