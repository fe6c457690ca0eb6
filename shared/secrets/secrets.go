// Package secrets reads the credentials of the database, the keys Kd and Km and the pepper of API keys' digests from AWS
// Secrets Manager, while they rotate.
//
// It promises that a secret is asked for once in a while, not at every use (TTL), and once more when PostgreSQL refuses
// the password (SQLSTATE 28P01); that a good version stays in use when the service does not answer, refuses, or has a
// version that is wrong; that a connection of other than this machine is verified in full (sslmode=verify-full); and that
// neither its errors nor its log lines hold anything of a secret.
//
// It has no goroutine: who uses a value and finds it old reads it again, and others go on with the old one meanwhile. So
// a Lambda function that was frozen reads before it trusts. It leaves rotating to Secrets Manager, and to its users that
// what PostgreSQL refused is tried once more.
package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// Client is what is needed of *secretsmanager.Client.
type Client interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Config says which secret, and how long it is used.
type Config struct {
	Client Client
	ID     string           // name or ARN of the secret
	TTL    time.Duration    // how long a version is used before the service is asked again; 0: 5 min
	Clock  func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: discard; told of new versions, and of what is wrong
}

const (
	// readTimeout is what a user waits at most for a secret that is to be read again: with those tries of the SDK that
	// fit into it.
	readTimeout = 2 * time.Second
	// pause is between two questions to the service where the first did not help: it has failed, or still has the
	// credentials that PostgreSQL refuses, as it does for a moment while they rotate.
	pause = 2 * time.Second
)

// secret is the value of the newest good version. Safe for concurrent use.
type secret[T any] struct {
	Config
	what  string
	parse func([]byte) (T, error)

	current atomic.Pointer[version[T]] // nil: none has been read yet
	next    atomic.Int64               // when the service is to be asked again, in unix ns

	mu      sync.Mutex // guards what follows
	asked   time.Time  // when it was asked last
	content string     // of the current version
	err     error      // of what was read last, nil: it was good
}

type version[T any] struct {
	value   T
	refused atomic.Bool // somebody else does not take it any more
}

func newSecret[T any](c Config, what string, parse func([]byte) (T, error)) *secret[T] {
	s := &secret[T]{Config: c, what: what, parse: parse}
	s.TTL = cmp.Or(s.TTL, 5*time.Minute)
	if s.Clock == nil {
		s.Clock = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	return s
}

// get returns the newest good version. There is an error only as long as there has been none.
func (s *secret[T]) get(ctx context.Context) (*version[T], error) {
	v := s.current.Load()
	if s.Clock().UnixNano() < s.next.Load() && v != nil {
		return v, nil
	}
	if v == nil || v.refused.Load() {
		s.mu.Lock() // whoever is reading may have a better one in a moment
	} else if !s.mu.TryLock() {
		return v, nil // somebody is reading
	}
	defer s.mu.Unlock()
	if s.Clock().UnixNano() >= s.next.Load() {
		s.refresh(ctx)
	}
	if v := s.current.Load(); v != nil {
		return v, nil
	}
	return nil, s.err
}

// refused says that somebody else does not take v any more. Unless there is another one by now, the service is asked
// the next time.
func (s *secret[T]) refused(v *version[T]) {
	v.refused.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() == v {
		s.next.Store(min(s.next.Load(), s.asked.Add(pause).UnixNano()))
	}
}

// refresh asks the service, and tells the operator what is new.
func (s *secret[T]) refresh(ctx context.Context) {
	// Who asks may give up early; what is read is everybody's.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	fresh, err := s.read(ctx)
	before := kind(s.err)
	s.asked, s.err = s.Clock(), err
	wait := s.TTL
	if err != nil {
		wait = min(s.TTL, pause)
	}
	s.next.Store(s.asked.Add(wait).UnixNano())
	what := slog.String("secret", s.what)
	switch {
	case err != nil && kind(err) != before:
		s.Log.Error("cannot take a secret; its last good version stays in use", what, slog.String("error", err.Error()))
	case err == nil && before != "":
		s.Log.Info("the secret is good again", what)
	case fresh:
		s.Log.Info("took a new version of a secret", what)
	}
}

// read makes what the service has the current version, if it has changed and is good.
func (s *secret[T]) read(ctx context.Context) (fresh bool, err error) {
	out, err := s.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.ID})
	if err != nil {
		return false, fmt.Errorf("read the secret of %s: %w", s.what, reduce(err))
	}
	content := aws.ToString(out.SecretString)
	if s.current.Load() != nil && content == s.content {
		return false, nil
	}
	value, err := s.parse([]byte(content))
	if err != nil {
		return false, fmt.Errorf("the secret of %s is wrong: %w", s.what, err)
	}
	s.content = content
	return s.current.Swap(&version[T]{value: value}) != nil, nil
}

// kind tells errors apart as far as an operator needs to hear of them: those of the SDK have a request id or a port, and
// are never the same twice.
func kind(err error) string {
	if err == nil {
		return ""
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	if _, ok := errors.AsType[*smithy.OperationError](err); ok {
		return "no answer"
	}
	return err.Error()
}

// errSlow stands for a deadline of this package's: nobody else's has passed, so that nobody may take it for his own.
var errSlow = errors.New("the service did not answer in time")

func reduce(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errSlow
	}
	return err
}
