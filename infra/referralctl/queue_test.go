package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

// newQueues serves as much of SQS's JSON protocol as the command needs: referrals and, of another account, its
// dead-letter queue. Any other action fails the test.
func newQueues(t testing.TB) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var input struct{ QueueURL, QueueName, QueueOwnerAWSAccountID string }
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		counts := map[string]string{
			"referrals":      `"ApproximateNumberOfMessages":"12","ApproximateNumberOfMessagesNotVisible":"3","ApproximateNumberOfMessagesDelayed":"4","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:ap-southeast-2:111122223333:referrals-dead\",\"maxReceiveCount\":1000}"`,
			"referrals-dead": `"ApproximateNumberOfMessages":"1","ApproximateNumberOfMessagesNotVisible":"0","ApproximateNumberOfMessagesDelayed":"0"`,
		}[path.Base(input.QueueURL)]
		switch action := r.Header.Get("X-Amz-Target"); {
		case action == "AmazonSQS.GetQueueUrl" && input.QueueName == "referrals-dead" && input.QueueOwnerAWSAccountID == "111122223333":
			fmt.Fprintf(w, `{"QueueUrl":"%s/111122223333/referrals-dead"}`, server.URL)
		case action == "AmazonSQS.GetQueueAttributes" && counts != "":
			fmt.Fprintf(w, `{"Attributes":{%s}}`, counts)
		case action == "AmazonSQS.GetQueueAttributes":
			w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}`)
		default:
			t.Errorf("unexpected %s", action)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestQueue(t *testing.T) {
	settings(t)
	server := newQueues(t)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SQS": server.URL, "AWS_REGION": "ap-southeast-2", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"REFERRAL_QUEUE_URL": server.URL + "/000000000000/referrals",
	} {
		t.Setenv(name, value)
	}
	got := referralctl(t, "", "queue")
	want := []string{"queue visible in flight delayed", "referrals 12 3 4", "referrals-dead 1 0 0"}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	if strings.Join(lines, "|") != strings.Join(want, "|") || got.status != 0 {
		t.Errorf("got %q, %q, want %q", lines, got.err, want)
	}
	const wantJSON = `{"queues":[{"queue":"referrals","visible":12,"inFlight":3,"delayed":4},{"queue":"referrals-dead","visible":1,"inFlight":0,"delayed":0}]}`
	referralctl(t, "", "queue", "--json").want(t, 0, wantJSON, "")
	referralctl(t, "", "queue", "--queue-url", server.URL+"/000000000000/absent").want(t, exitFailed, "", "there is no queue")
}
