package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"
)

// newQueues serves as much of SQS's JSON protocol as the command needs: referrals and, of another account, its
// dead-letter queue, and another that is empty. Their messages are 3 s and 2 h old. Any other action fails the test.
func newQueues(t testing.TB) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var input struct {
			QueueURL, QueueName, QueueOwnerAWSAccountID             string
			MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds int
		}
		if err := json.NewDecoder(r.Body).Decode(&input); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		counts := map[string]string{
			"referrals":      `"ApproximateNumberOfMessages":"12","ApproximateNumberOfMessagesNotVisible":"3","ApproximateNumberOfMessagesDelayed":"4","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:ap-southeast-2:111122223333:referrals-dead\",\"maxReceiveCount\":1000}"`,
			"referrals-dead": `"ApproximateNumberOfMessages":"1","ApproximateNumberOfMessagesNotVisible":"0","ApproximateNumberOfMessagesDelayed":"0"`,
			"empty":          `"ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0","ApproximateNumberOfMessagesDelayed":"0"`,
		}[path.Base(input.QueueURL)]
		switch action := r.Header.Get("X-Amz-Target"); {
		case action == "AmazonSQS.GetQueueUrl" && input.QueueName == "referrals-dead" && input.QueueOwnerAWSAccountID == "111122223333":
			fmt.Fprintf(w, `{"QueueUrl":"%s/111122223333/referrals-dead"}`, server.URL)
		case action == "AmazonSQS.ReceiveMessage" && path.Base(input.QueueURL) != "empty" &&
			input.MaxNumberOfMessages == 10 && input.VisibilityTimeout == 1 && input.WaitTimeSeconds == 1:
			age := map[string]time.Duration{"referrals": 3 * time.Second, "referrals-dead": 2 * time.Hour}[path.Base(input.QueueURL)]
			sent := time.Now().Add(-age - 500*time.Millisecond).UnixMilli()
			fmt.Fprintf(w, `{"Messages":[{"MessageId":"1","Attributes":{"SentTimestamp":"%d"}},{"MessageId":"2","Attributes":{"SentTimestamp":"%d"}}]}`, sent+1000, sent)
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
	want := []string{"queue visible in flight delayed oldest", "referrals 12 3 4 3s", "referrals-dead 1 0 0 2h0m0s"}
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	for i := range lines {
		lines[i] = strings.Join(strings.Fields(lines[i]), " ")
	}
	if strings.Join(lines, "|") != strings.Join(want, "|") || got.status != 0 {
		t.Errorf("got %q, %q, want %q", lines, got.err, want)
	}
	const wantJSON = `{"queues":[{"queue":"referrals","visible":12,"inFlight":3,"delayed":4,"oldestSeconds":3},{"queue":"referrals-dead","visible":1,"inFlight":0,"delayed":0,"oldestSeconds":7200}]}`
	referralctl(t, "", "queue", "--json").want(t, 0, wantJSON, "")
	const withoutAges = `{"queues":[{"queue":"referrals","visible":12,"inFlight":3,"delayed":4},{"queue":"referrals-dead","visible":1,"inFlight":0,"delayed":0}]}`
	referralctl(t, "", "queue", "--json", "--no-ages").want(t, 0, withoutAges, "")
	referralctl(t, "", "queue", "--json", "--queue-url", server.URL+"/000000000000/empty").want(t, 0, `{"queues":[{"queue":"empty","visible":0,"inFlight":0,"delayed":0}]}`, "")
	referralctl(t, "", "queue", "--queue-url", server.URL+"/000000000000/absent").want(t, exitFailed, "", "there is no queue")
}

// TestNoQueue: with the variables of a server that has none.
func TestNoQueue(t *testing.T) {
	settings(t)
	t.Setenv("REFERRAL_QUEUE", "direct")
	referralctl(t, "", "queue").want(t, exitFailed, "", "there is no queue")
}
