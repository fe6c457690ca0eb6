package lambdahost_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
)

// What the functions promise of a start, by the median: until they ask for their first event, and until they have
// answered it.
const (
	maxInit  = 60 * time.Millisecond
	maxFirst = 250 * time.Millisecond
	maxRSS   = 128 // MiB, of ingest
)

// BenchmarkStart starts each function anew and has it do its first work: accept a referral, settle it, tell how it stands.
func BenchmarkStart(b *testing.B) {
	s := newStack(b)
	status := submit(b, lambdahost.HTTP(s.start(b, "ingest", 10*time.Second)), example(b, "one"))
	settled := events.SQSEvent{Records: s.received(b, 1)}
	if _, err := s.start(b, "processor", 10*time.Second).HandleSQS(b.Context(), settled); err != nil {
		b.Fatal(err)
	}
	for function, work := range map[string]func(*lambdahost.Function) error{
		"ingest": func(f *lambdahost.Function) error {
			return expect(do(b, lambdahost.HTTP(f), "POST", "/fhir", example(b, "one")).Code, http.StatusAccepted)
		},
		"processor": func(f *lambdahost.Function) error {
			response, err := f.HandleSQS(b.Context(), settled) // a duplicate: the same trips
			if err == nil && len(response.BatchItemFailures) > 0 {
				err = fmt.Errorf("got %+v", response)
			}
			return err
		},
		"query": func(f *lambdahost.Function) error {
			return expect(do(b, lambdahost.HTTP(f), "GET", status, nil).Code, http.StatusOK)
		},
	} {
		b.Run(function, func(b *testing.B) {
			var inits, firsts []time.Duration
			before := cpu(b)
			for b.Loop() {
				begin := time.Now()
				f, err := lambdahost.Start(b.Context(), lambdahost.Config{Bootstrap: bootstrapOf(b, function), Env: s.env, Output: b.Output()})
				if err != nil {
					b.Fatal(err)
				}
				inits = append(inits, time.Since(begin))
				if err := work(f); err != nil {
					b.Error(err)
				}
				firsts = append(firsts, time.Since(begin))
				f.Close()
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms")
			withinLimit(b, "init", inits, maxInit)
			withinLimit(b, "first", firsts, maxFirst)
		})
	}
}

// cpu is the time that all processes which have ended spent on a core: what of a median is not this is waiting for one.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func expect(got, want int) error {
	if got != want {
		return fmt.Errorf("got %d, want %d", got, want)
	}
	return nil
}

// withinLimit reports median and worst, and fails where the median is beyond the limit.
func withinLimit(b *testing.B, what string, took []time.Duration, limit time.Duration) {
	b.Helper()
	slices.Sort(took)
	median, worst := took[len(took)/2], took[len(took)-1]
	b.ReportMetric(float64(median.Microseconds())/1000, what+"-p50-ms")
	b.ReportMetric(float64(worst.Microseconds())/1000, what+"-max-ms")
	if median > limit {
		b.Errorf("%s: got a median of %v, want %v at most", what, median, limit)
	}
}

// BenchmarkMemory has ingest accept bodies of 4 MiB and 1,000 entries, one after the other as Lambda gives them, and looks
// at the most memory that the process ever had.
func BenchmarkMemory(b *testing.B) {
	s := newStack(b)
	s.env = append(s.env, "REFERRAL_MAX_BODY=4194304", "REFERRAL_MAX_ENTRIES=1000")
	ingest := lambdahost.HTTP(s.start(b, "ingest", 30*time.Second))
	body := largest(b)
	for b.Loop() {
		if err := expect(do(b, ingest, "POST", "/fhir", body).Code, http.StatusAccepted); err != nil {
			b.Fatal(err)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", childOf(b, bootstrapOf(b, "ingest"))))
	if err != nil {
		b.Fatal(err)
	}
	kilobytes, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(status))[1])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(kilobytes)/1024, "peak-MiB")
	if kilobytes > maxRSS<<10 {
		b.Errorf("got a peak of %d MiB, want %d at most", kilobytes>>10, maxRSS)
	}
}

// largest is a Bundle of 1,000 entries and nearly 4 MiB.
func largest(b *testing.B) []byte {
	b.Helper()
	type entry map[string]any
	var entries []entry
	for n := range 1000 {
		entries = append(entries, entry{
			"fullUrl": fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", n),
			"resource": entry{
				"resourceType": "Observation", "status": "final", "code": entry{"text": "Synthetic"}, "valueString": strings.Repeat("synthetic ", 390),
			},
			"request": entry{"method": "POST", "url": "Observation"},
		})
	}
	body, err := json.Marshal(map[string]any{"resourceType": "Bundle", "type": "transaction", "entry": entries})
	if err != nil || len(body) > 4<<20 {
		b.Fatalf("got %d bytes, %v", len(body), err)
	}
	return body
}
