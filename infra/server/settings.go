package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/awshttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/fhirhttp"
	"github.com/ausbizconsulting/referral-fhir-server/shared/postgres"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
	"github.com/ausbizconsulting/referral-fhir-server/shared/referral"
	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
	"github.com/ausbizconsulting/referral-fhir-server/shared/telemetry"
)

// settings are the environment variables of the server; README.md has them in a table.
type settings struct {
	address        string // of the API
	opsAddress     string // of metrics and the start page
	sqsAddress     string // of the SQS endpoint
	baseURL        *url.URL
	dataDir        string
	pgBinDir       string
	lambdaDir      string           // of bootstraps; empty: the functions run in this process
	store          *postgres.Config // nil: the embedded PostgreSQL
	storeSettings  []string         // the variables, as NAME=value, by which another process opens it
	queue          string           // queueSQS or queueDirect
	queueURL       string           // the local queue's database; empty: the embedded PostgreSQL
	keys           *referral.Keys   // nil: made once and kept in dataDir
	keySettings    []string         // the variables, as NAME=value, of keys that do not rotate
	workers        int
	storeConns     int // of each pool
	queueConns     int
	clients        string // the name of their registry
	callers        *principal.Authenticator
	callerSettings []string         // the variables, as NAME=value, that say who they are
	certificate    *tls.Certificate // of the API; nil: it is served without TLS
	certificateDir string           // of the file of certificate
	cors           fhirhttp.CORS
	maxConnections int // to the API
	maxBody        int
	maxEntries     int
	maxWork        int
	profiles       schemas.Config
	packages       []string // of profiles
	messageTimeout time.Duration
	defaultWait    time.Duration
	collector      string // what the environment says about Go's garbage collector
	logLevel       slog.Level
	stderr         *telemetry.Writer // to which the log goes
	log            *slog.Logger
	tracer         *telemetry.Tracer // nil: nothing is traced
	tracing        []string          // the variables, as NAME=value, that say where traces go
}

// The values of REFERRAL_QUEUE.
const (
	queueSQS    = "sqs"
	queueDirect = "direct" // there is none: ingest gives processor each message itself
)

func readSettings(v *env.Settings) settings {
	s := settings{
		address:        v.String("REFERRAL_ADDR", "127.0.0.1:8080"),
		opsAddress:     v.String("REFERRAL_OPS_ADDR", "127.0.0.1:8081"),
		sqsAddress:     v.String("REFERRAL_SQS_ADDR", "127.0.0.1:9324"),
		dataDir:        v.String("REFERRAL_DATA_DIR", ".data"),
		pgBinDir:       v.String("REFERRAL_PG_BINDIR", ""),
		lambdaDir:      v.String("REFERRAL_LAMBDA_DIR", ""),
		queue:          v.Choice("REFERRAL_QUEUE", queueSQS, queueSQS, queueDirect),
		queueURL:       v.String("REFERRAL_QUEUE_DATABASE_URL", ""),
		workers:        v.Int("REFERRAL_WORKERS", 2, 1, 64),
		storeConns:     v.StoreConnections(4),
		queueConns:     v.Int("REFERRAL_QUEUE_CONNECTIONS", 8, 4, 64),
		clients:        v.String("REFERRAL_CLIENTS", principal.DevelopmentClients),
		cors:           fhirhttp.CORSFromSettings(v),
		maxConnections: v.Int("REFERRAL_MAX_CONNECTIONS", 1000, 1, 100_000),
		maxBody:        v.MaxBody(),
		maxEntries:     v.MaxEntries(),
		maxWork:        v.MaxWork(),
		packages:       v.ProfilePackages(),
		profiles:       schemas.Config{Defaults: schemas.Mode(v.ProfileDefaults())},
		messageTimeout: v.MessageTimeout(),
		collector:      v.String("GOGC", "") + v.String("GOMEMLIMIT", ""),
		logLevel:       v.Level("REFERRAL_LOG_LEVEL"),
	}
	s.readTelemetry(v)
	wait := time.Duration(0)
	if s.queue == queueDirect {
		wait = env.LongestWait // what has settled is answered at once
		if s.lambdaDir != "" {
			v.Wrong("REFERRAL_QUEUE", queueSQS+" with REFERRAL_LAMBDA_DIR")
		}
	}
	s.defaultWait = v.DefaultWait(wait)
	s.readCallers(v)
	s.readKeys(v)
	s.readStore(v)
	var err error
	if s.profiles.Packages, err = schemas.Packages(s.packages...); err != nil {
		v.Wrong("REFERRAL_PROFILE_PACKAGES", "FHIR packages, folders or .tgz, separated by commas: "+err.Error())
	}
	if v.String("REFERRAL_BASE_URL", "") != "" {
		s.baseURL = v.BaseURL()
	}
	for name, address := range map[string]string{
		"REFERRAL_ADDR": s.address, "REFERRAL_OPS_ADDR": s.opsAddress, "REFERRAL_SQS_ADDR": s.sqsAddress,
	} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			v.Wrong(name, "an address and port such as 127.0.0.1:8080")
		}
	}
	if err := postgres.CheckURL(s.queueURL); s.queueURL != "" && err != nil {
		v.Wrong("REFERRAL_QUEUE_DATABASE_URL", "a PostgreSQL connection URI: "+err.Error())
	}
	return s
}

// readTelemetry reads who is told what the server does.
func (s *settings) readTelemetry(v *env.Settings) {
	s.stderr = telemetry.NewWriter(os.Stderr, 0)
	s.log = telemetry.NewLog(s.stderr, s.logLevel)
	s.tracer = telemetry.TracerFromSettings(v, "referral-fhir-server", s.log)
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"} {
		if value := v.String(name, ""); value != "" {
			s.tracing = append(s.tracing, name+"="+value)
		}
	}
}

// awsConfig looks for credentials wherever the SDK does: a host may have a role, a profile or variables.
func awsConfig(ctx context.Context) (aws.Config, error) {
	return awshttp.Configured(config.LoadDefaultConfig(ctx))
}

// readCallers reads who calls, and by what they know this server.
func (s *settings) readCallers(v *env.Settings) {
	s.callers = principal.FromSettings(v, principal.DevelopmentClients, awsConfig, s.log)
	for _, name := range []string{
		"REFERRAL_AUTH", "REFERRAL_KEY_PEPPER", "REFERRAL_CRL_GRACE",
		"REFERRAL_TOKEN_ISSUERS", "REFERRAL_TOKEN_AUDIENCES", "REFERRAL_TOKEN_ORG_CLAIM",
	} {
		if value := v.String(name, ""); value != "" {
			s.callerSettings = append(s.callerSettings, name+"="+value)
		}
	}
	for _, name := range []string{"REFERRAL_NASH_CA", "REFERRAL_CLIENT_CA", "REFERRAL_CRLS"} {
		files := v.List(name)
		for i := range files {
			files[i] = absolute(files[i])
		}
		if len(files) > 0 {
			s.callerSettings = append(s.callerSettings, name+"="+strings.Join(files, ","))
		}
	}
	certificate, key := v.String("REFERRAL_TLS_CERT", ""), v.String("REFERRAL_TLS_KEY", "")
	if certificate == "" && key == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		v.Wrong("REFERRAL_TLS_CERT and REFERRAL_TLS_KEY", "files of a certificate and its key in PEM, set together or not at all")
		return
	}
	s.certificate, s.certificateDir = &pair, filepath.Dir(certificate)
}

// readKeys reads with what submission ids are made.
func (s *settings) readKeys(v *env.Settings) {
	s.keys = secrets.KeysFromSettings(v, awsConfig, s.log)
	if v.String("REFERRAL_KEYS_SECRET", "") != "" {
		if s.lambdaDir != "" { // whose AWS credentials are those of the local queue
			v.Wrong("REFERRAL_KEYS_SECRET", "unset with REFERRAL_LAMBDA_DIR")
		}
		return
	}
	for _, name := range []string{"REFERRAL_KD", "REFERRAL_KM"} {
		s.keySettings = append(s.keySettings, name+"="+v.String(name, ""))
	}
}

// readStore reads where the store is. Another process on this machine reads a secret of it with the variables by which this
// one does, where it has no others: those of the queue's endpoint, which checks none, stand behind them.
func (s *settings) readStore(v *env.Settings) {
	s.store = secrets.StoreFromSettings(v, awsConfig, s.log)
	if url := v.String("DATABASE_URL", ""); url != "" {
		s.storeSettings = []string{"DATABASE_URL=" + url}
	}
	if v.String("REFERRAL_DATABASE_SECRET", "") == "" {
		return
	}
	for _, name := range []string{
		"REFERRAL_DATABASE_SECRET", "REFERRAL_SECRETS_TTL", "PGSSLROOTCERT", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
	} {
		if value := v.String(name, ""); value != "" {
			s.storeSettings = append(s.storeSettings, name+"="+value)
		}
	}
	if s.lambdaDir != "" {
		v.Require("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") // a bootstrap looks for credentials nowhere else
	}
}

// absolute makes the path of a file independent of the working directory. Objects of S3 are that already.
func absolute(name string) string {
	path, err := filepath.Abs(name)
	if err != nil || strings.HasPrefix(name, "s3://") {
		return name
	}
	return path
}

// absolute makes paths independent of the working directory.
func (s *settings) absolute() (err error) {
	if s.dataDir, err = filepath.Abs(s.dataDir); err != nil {
		return errors.New("REFERRAL_DATA_DIR is no path")
	}
	if s.clients != principal.DevelopmentClients {
		s.clients = absolute(s.clients)
	}
	return nil
}
