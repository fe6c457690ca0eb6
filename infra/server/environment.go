package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// environment returns the variables, as NAME=value, with which another process on this machine uses the running
// stack: a Lambda bootstrap, a test, referralctl.
func (s *server) environment() []string {
	return append(slices.Concat(s.queueEnvironment(), s.settings.callerSettings, s.keySettings, s.settings.tracing, s.settings.storeSettings),
		"REFERRAL_ADDR="+s.api,
		"REFERRAL_BASE_URL="+s.base.String(),
		"REFERRAL_CLIENTS="+s.settings.clients,
		"REFERRAL_BLOB_DIR="+filepath.Join(s.settings.dataDir, "blobs"),
		"REFERRAL_MAX_BODY="+strconv.Itoa(s.settings.maxBody),
		"REFERRAL_MAX_ENTRIES="+strconv.Itoa(s.settings.maxEntries),
		"REFERRAL_MAX_WORK="+strconv.Itoa(s.settings.maxWork),
		"REFERRAL_PROFILE_DEFAULTS="+string(s.settings.profiles.Defaults),
		"REFERRAL_PROFILE_PACKAGES="+strings.Join(s.settings.packages, ","),
		"REFERRAL_STORE_CONNECTIONS="+strconv.Itoa(env.FunctionStoreConnections),
		"REFERRAL_MESSAGE_TIMEOUT="+s.settings.messageTimeout.String(),
		"REFERRAL_DEFAULT_WAIT="+s.settings.defaultWait.String(),
		"REFERRAL_LOG_LEVEL="+s.settings.logLevel.String(),
	)
}

// queueEnvironment is that of the queue.
func (s *server) queueEnvironment() []string {
	if s.queue == nil {
		return []string{"REFERRAL_QUEUE=" + queueDirect}
	}
	return []string{
		"REFERRAL_QUEUE=" + queueSQS,
		"REFERRAL_QUEUE_URL=" + s.queue.url,
		"REFERRAL_DEAD_LETTER_QUEUE_URL=" + s.queue.deadLetterURL,
		"AWS_ENDPOINT_URL_SQS=" + s.queue.endpoint,
		"AWS_REGION=" + region,
		"AWS_ACCESS_KEY_ID=" + localCredential,
		"AWS_SECRET_ACCESS_KEY=" + localCredential,
	}
}

// publishEnvironment writes the environment to the file env of the data directory, a NAME='value' a line. It holds
// secrets and is there while the server runs.
func (s *server) publishEnvironment() error {
	var b strings.Builder
	for _, variable := range s.environment() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&b, "%s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	path := filepath.Join(s.settings.dataDir, "env")
	s.stops = append(s.stops, func() error { return os.Remove(path) })
	return os.WriteFile(path, []byte(b.String()), 0o600)
}
