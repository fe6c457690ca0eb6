package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// publishEnvironment writes the file env of the data directory: the variables with which another process on this
// machine, such as a Lambda bootstrap or a test, uses the running stack. It holds secrets and is there while the
// server runs.
func (s *server) publishEnvironment(storeURL string) error {
	var b strings.Builder
	for _, v := range [][2]string{
		{"REFERRAL_BASE_URL", s.base.String()},
		{"REFERRAL_QUEUE_URL", s.queue.url},
		{"REFERRAL_DEAD_LETTER_QUEUE_URL", s.queue.deadLetterURL},
		{"REFERRAL_CLIENTS", "development"},
		{"REFERRAL_KD", base64.StdEncoding.EncodeToString(s.secrets.Kd)},
		{"REFERRAL_KM", base64.StdEncoding.EncodeToString(s.secrets.Km)},
		{"REFERRAL_BLOB_DIR", filepath.Join(s.settings.dataDir, "blobs")},
		{"DATABASE_URL", storeURL},
		{"AWS_ENDPOINT_URL_SQS", s.queue.endpoint},
		{"AWS_REGION", region},
		{"AWS_ACCESS_KEY_ID", localCredential},
		{"AWS_SECRET_ACCESS_KEY", localCredential},
	} {
		fmt.Fprintf(&b, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	path := filepath.Join(s.settings.dataDir, "env")
	s.stops = append(s.stops, func() error { return os.Remove(path) })
	return os.WriteFile(path, []byte(b.String()), 0o600)
}
