package lambdahost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ausbizconsulting/referral-fhir-server/infra/lambdahost"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awslambda"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres/pgtest"
)

// TestMain is a function's process when a Function has started this binary as its bootstrap.
func TestMain(m *testing.M) {
	if behaviour := os.Getenv("LAMBDAHOST_TEST"); behaviour != "" {
		bootstrap(behaviour)
		return
	}
	os.Exit(run(m))
}

// run gives the bootstraps a folder for as long as tests run.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bootstraps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bootstraps = sync.OnceValues(func() (string, error) { return dir, build(root, dir) })
	return pgtest.Run(m)
}

// bootstrap is the process of a function that does as its events say, if it starts.
func bootstrap(behaviour string) {
	switch behaviour {
	case "host":
		host()
	case "exit":
		fmt.Fprintln(os.Stderr, "a setting is wrong")
		os.Exit(3)
	case "initError":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		response, err := http.Post(url, "application/json", strings.NewReader(`{"errorType":"Function.NoSettings"}`))
		if err == nil {
			response.Body.Close()
		}
		select {}
	case "product":
		awslambda.Main("product", func(context.Context, *env.Settings) (any, error) {
			return func(event any) { panic(event) }, nil
		})
	}
	lambda.Start(func(ctx context.Context, c command) (report, error) {
		switch c.Do {
		case "fail":
			return report{}, errors.New("zqx-patient")
		case "panic":
			panic("zqx-patient")
		case "exit":
			os.Exit(1)
		case "kill":
			return report{}, syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "hang":
			select {}
		case "big":
			return report{Text: strings.Repeat("a", c.Size)}, nil
		case "wait":
			<-time.After(time.Duration(c.Size) * time.Millisecond)
		}
		deadline, _ := ctx.Deadline()
		lc, _ := lambdacontext.FromContext(ctx)
		return report{
			PID: os.Getpid(), RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn, Trace: os.Getenv("_X_AMZN_TRACE_ID"), Left: time.Until(deadline),
			Name: lambdacontext.FunctionName, Setting: os.Getenv("SETTING"), Home: os.Getenv("HOME"),
		}, nil
	})
}

// host runs a function until it is killed, and prints the function's process id.
func host() {
	f, err := lambdahost.Start(context.Background(), lambdahost.Config{Bootstrap: os.Args[0], Env: []string{"LAMBDAHOST_TEST=function"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer, err := f.Invoke(context.Background(), []byte(`{}`))
	var r report
	if err != nil || json.Unmarshal(answer, &r) != nil {
		os.Exit(1)
	}
	fmt.Println(r.PID)
	select {}
}

// command is an event of the function above, report its answer.
type command struct {
	Do   string
	Size int
}

type report struct {
	PID                                              int
	RequestID, ARN, Trace, Name, Setting, Home, Text string
	Left                                             time.Duration
}

// start starts the function above.
func start(t testing.TB, c lambdahost.Config) *lambdahost.Function {
	t.Helper()
	c.Bootstrap, c.Env = os.Args[0], append(c.Env, "LAMBDAHOST_TEST=function")
	c.Output = t.Output()
	f, err := lambdahost.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func invoke(f *lambdahost.Function, c command) (r report, err error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return r, err
	}
	answer, err := f.Invoke(context.Background(), payload)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(answer, &r)
}

// must is invoke for commands that succeed.
func must(t testing.TB, f *lambdahost.Function, c command) report {
	t.Helper()
	r, err := invoke(f, c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return r
}

// errorType is the type of a *FunctionError.
func errorType(err error) string {
	if e, ok := errors.AsType[*lambdahost.FunctionError](err); ok {
		return e.Type
	}
	return fmt.Sprint(err)
}

func TestInvoke(t *testing.T) {
	t.Setenv("SETTING", "of this process")
	f := start(t, lambdahost.Config{Name: "echo", Timeout: 10 * time.Second, Env: []string{"SETTING=of the function"}})
	first, second := must(t, f, command{}), must(t, f, command{})
	if first.PID != second.PID || first.RequestID == second.RequestID {
		t.Errorf("got %+v and %+v, want one process and two request ids", first, second)
	}
	if first.Left <= 5*time.Second || first.Left > 10*time.Second {
		t.Errorf("got %v to the deadline, want up to 10 s", first.Left)
	}
	if !strings.HasPrefix(first.Trace, "Root=1-") || len(first.RequestID) != 36 || !strings.HasSuffix(first.ARN, ":function:echo") {
		t.Errorf("got %+v, want a trace, a UUID and the function's ARN", first)
	}
	got := [3]string{first.Name, first.Setting, first.Home}
	if diff := cmp.Diff([3]string{"echo", "of the function", ""}, got); diff != "" {
		t.Errorf("name, setting, home (-want +got):\n%s", diff)
	}
}

// TestFailedInvocations: each fails in its way, tells nothing of the function's message, and the next one works.
func TestFailedInvocations(t *testing.T) {
	f := start(t, lambdahost.Config{Timeout: time.Second})
	for _, test := range []struct {
		command command
		want    string
		same    bool // process goes on
	}{
		{command{Do: "fail"}, "errorString", true},
		{command{Do: "panic"}, "string", false},
		{command{Do: "exit"}, "Runtime.ExitError", false},
		{command{Do: "kill"}, "Runtime.ExitError", false},
		{command{Do: "hang"}, "Sandbox.Timedout", false},
	} {
		t.Run(test.command.Do, func(t *testing.T) {
			before := must(t, f, command{}).PID
			_, err := invoke(f, test.command)
			if got := errorType(err); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if strings.Contains(fmt.Sprint(err), "zqx") {
				t.Errorf("got error %v, want it to say nothing of the function's own", err)
			}
			if after := must(t, f, command{}).PID; (after == before) != test.same {
				t.Errorf("got process %d, then %d; want the same: %v", before, after, test.same)
			}
		})
	}
}

// TestPanicTellsNothing: what a function panics with is not in what its process prints, whatever it is. Of one that the
// runtime alone runs, it is.
func TestPanicTellsNothing(t *testing.T) {
	for function, tells := range map[string]bool{"product": false, "function": true} {
		var printed bytes.Buffer
		f, err := lambdahost.Start(t.Context(), lambdahost.Config{Bootstrap: os.Args[0], Env: []string{"LAMBDAHOST_TEST=" + function}, Output: &printed})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range []string{`{"Do":"panic","Text":"zqx-patient"}`, `{"Do":"panic","Records":[{"body":"zqx-patient"}]}`} {
			if _, err := f.Invoke(t.Context(), []byte(event)); err == nil {
				t.Errorf("%s: got no error", function)
			}
		}
		f.Close()
		if got := strings.Contains(printed.String(), "zqx"); got != tells {
			t.Errorf("%s: tells what it panicked with: %v, want %v:\n%s", function, got, tells, &printed)
		}
		if printed.Len() == 0 {
			t.Errorf("%s: nothing was printed, so that nothing is shown", function)
		}
	}
}

// TestOneEventAtATimePerProcess: four events at once on two environments run on two processes, two after each other.
func TestOneEventAtATimePerProcess(t *testing.T) {
	f := start(t, lambdahost.Config{Concurrency: 2})
	var mu sync.Mutex
	perProcess := map[int]int{} // guarded by mu
	var callers sync.WaitGroup
	begin := time.Now()
	for range 4 {
		callers.Go(func() {
			r, err := invoke(f, command{Do: "wait", Size: 200})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			perProcess[r.PID]++
		})
	}
	callers.Wait()
	took := time.Since(begin)
	for pid, n := range perProcess {
		if n != 2 {
			t.Errorf("process %d had %d events, want 2", pid, n)
		}
	}
	if len(perProcess) != 2 || took < 400*time.Millisecond {
		t.Errorf("got %v in %v, want two processes that took 400 ms", perProcess, took)
	}
}

// TestThrottled: an event waits for an environment as long as an invocation may take.
func TestThrottled(t *testing.T) {
	f := start(t, lambdahost.Config{Timeout: 300 * time.Millisecond})
	var mu sync.Mutex
	outcomes := map[string]int{} // guarded by mu
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			_, err := invoke(f, command{Do: "hang"})
			mu.Lock()
			defer mu.Unlock()
			outcomes[errorType(err)]++
		})
	}
	callers.Wait()
	// The second may just have got the process that replaces the first one's.
	timedOut, throttled := outcomes["Sandbox.Timedout"], outcomes[lambdahost.ErrThrottled.Error()]
	if timedOut < 1 || throttled < 2 || timedOut+throttled != 4 {
		t.Errorf("got %v, want one or two that timed out and the others throttled", outcomes)
	}
}

// TestCallerLeaves: the caller has its own deadline's error, the function its event.
func TestCallerLeaves(t *testing.T) {
	f := start(t, lambdahost.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	before := must(t, f, command{}).PID
	if _, err := f.Invoke(ctx, []byte(`{"Do":"wait","Size":100}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want the caller's", err)
	}
	if after := must(t, f, command{}).PID; after != before {
		t.Errorf("got process %d, then %d; want the same", before, after)
	}
}

func TestTooLarge(t *testing.T) {
	f := start(t, lambdahost.Config{})
	if _, err := invoke(f, command{Do: "big", Size: 6291556}); errorType(err) != "Function.ResponseSizeTooLarge" {
		t.Errorf("got %v of a large answer, want Function.ResponseSizeTooLarge", err)
	}
	if _, err := f.Invoke(t.Context(), bytes.Repeat([]byte(" "), 6291557)); !errors.Is(err, lambdahost.ErrPayloadTooLarge) {
		t.Errorf("got error %v, want ErrPayloadTooLarge", err)
	}
}

func TestStartFails(t *testing.T) {
	for _, test := range []struct{ name, bootstrap, behaviour, want string }{
		{"no such file", "/nowhere/bootstrap", "", "no such file"},
		{"it exits", os.Args[0], "exit", "exit status 3"},
		{"it reports", os.Args[0], "initError", "Function.NoSettings"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var output bytes.Buffer
			f, err := lambdahost.Start(t.Context(), lambdahost.Config{
				Bootstrap: test.bootstrap, Env: []string{"LAMBDAHOST_TEST=" + test.behaviour}, Output: &output,
			})
			if err == nil {
				f.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
			if test.behaviour == "exit" && output.String() != "a setting is wrong\n" {
				t.Errorf("got output %q, want what the process printed", output.String())
			}
		})
	}
}

// TestCloseFinishesWhatIsInProgress and leaves no process behind.
func TestCloseFinishesWhatIsInProgress(t *testing.T) {
	f := start(t, lambdahost.Config{})
	pid := must(t, f, command{}).PID
	result := make(chan error)
	began := make(chan struct{})
	go func() {
		close(began)
		_, err := invoke(f, command{Do: "wait", Size: 200})
		result <- err
	}()
	<-began
	time.Sleep(50 * time.Millisecond) // until the event is with the process
	f.Close()
	if err := <-result; err != nil {
		t.Errorf("the invocation in progress ended with %v", err)
	}
	if _, err := invoke(f, command{}); !errors.Is(err, lambdahost.ErrClosed) {
		t.Errorf("got error %v after Close, want ErrClosed", err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}
