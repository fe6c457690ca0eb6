package main

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

// settings are the environment variables of the server; README.md has them in a table.
type settings struct {
	address        string // of the API
	opsAddress     string // of metrics and the start page
	sqsAddress     string // of the SQS endpoint
	baseURL        *url.URL
	dataDir        string
	pgBinDir       string
	lambdaDir      string // of bootstraps; empty: the functions run in this process
	databaseURL    string // the store; empty: the embedded PostgreSQL
	queue          string // queueSQS or queueDirect
	queueURL       string // the local queue's database; empty: the embedded PostgreSQL
	kd, km         []byte // nil: made once and kept in dataDir
	workers        int
	storeConns     int // of each pool
	queueConns     int
	clients        string // the name of registry
	registry       *principal.Keys
	maxBody        int
	maxEntries     int
	maxWork        int
	profiles       schemas.Config
	packages       []string // of profiles
	messageTimeout time.Duration
	defaultWait    time.Duration
	collector      string // what the environment says about Go's garbage collector
	logLevel       slog.Level
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
		databaseURL:    v.String("DATABASE_URL", ""),
		queue:          v.Choice("REFERRAL_QUEUE", queueSQS, queueSQS, queueDirect),
		queueURL:       v.String("REFERRAL_QUEUE_DATABASE_URL", ""),
		kd:             v.Base64("REFERRAL_KD", 32),
		km:             v.Base64("REFERRAL_KM", 32),
		workers:        v.Int("REFERRAL_WORKERS", 2, 1, 64),
		storeConns:     v.StoreConnections(4),
		queueConns:     v.Int("REFERRAL_QUEUE_CONNECTIONS", 8, 4, 64),
		clients:        v.String("REFERRAL_CLIENTS", principal.DevelopmentClients),
		maxBody:        v.MaxBody(),
		maxEntries:     v.MaxEntries(),
		maxWork:        v.MaxWork(),
		packages:       v.ProfilePackages(),
		profiles:       schemas.Config{Defaults: schemas.Mode(v.ProfileDefaults())},
		messageTimeout: v.MessageTimeout(),
		collector:      v.String("GOGC", "") + v.String("GOMEMLIMIT", ""),
		logLevel:       v.Level("REFERRAL_LOG_LEVEL"),
	}
	wait := time.Duration(0)
	if s.queue == queueDirect {
		wait = env.LongestWait // what has settled is answered at once
		if s.lambdaDir != "" {
			v.Wrong("REFERRAL_QUEUE", queueSQS+" with REFERRAL_LAMBDA_DIR")
		}
	}
	s.defaultWait = v.DefaultWait(wait)
	var err error
	if s.registry, err = principal.Open(s.clients); err != nil {
		v.Wrong("REFERRAL_CLIENTS", `"development" or the file of a registry: `+err.Error())
	}
	if s.profiles.Packages, err = schemas.Packages(s.packages...); err != nil {
		v.Wrong("REFERRAL_PROFILE_PACKAGES", "FHIR packages, folders or .tgz, separated by commas: "+err.Error())
	}
	if v.String("REFERRAL_BASE_URL", "") != "" {
		s.baseURL = v.BaseURL()
	}
	if (v.String("REFERRAL_KD", "") == "") != (v.String("REFERRAL_KM", "") == "") {
		v.Wrong("REFERRAL_KD and REFERRAL_KM", "set together or not at all")
	}
	for name, address := range map[string]string{
		"REFERRAL_ADDR": s.address, "REFERRAL_OPS_ADDR": s.opsAddress, "REFERRAL_SQS_ADDR": s.sqsAddress,
	} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			v.Wrong(name, "an address and port such as 127.0.0.1:8080")
		}
	}
	for name, url := range map[string]string{"DATABASE_URL": s.databaseURL, "REFERRAL_QUEUE_DATABASE_URL": s.queueURL} {
		if _, err := pgxpool.ParseConfig(url); url != "" && err != nil {
			v.Wrong(name, "a PostgreSQL connection URI")
		}
	}
	return s
}

// absolute makes paths independent of the working directory.
func (s *settings) absolute() (err error) {
	if s.dataDir, err = filepath.Abs(s.dataDir); err != nil {
		return errors.New("REFERRAL_DATA_DIR is no path")
	}
	if s.clients != principal.DevelopmentClients {
		if s.clients, err = filepath.Abs(s.clients); err != nil {
			return errors.New("REFERRAL_CLIENTS is no path")
		}
	}
	return nil
}
