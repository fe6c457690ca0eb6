package principal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ausbizconsulting/referral-fhir-server/shared/secrets"
)

// Source is where a document is kept that may change.
type Source interface {
	// Read returns the document and its version, or no document when it is still in the version seen. A document
	// without a version, "", is read each time.
	Read(ctx context.Context, seen string) (document []byte, version string, err error)
}

// OpenSource returns the registry of the development clients for the name DevelopmentClients, for a listener on
// loopback only; the object that s3://bucket/key means, with the AWS configuration that load makes; or else the file name.
func OpenSource(ctx context.Context, load secrets.AWS, name string) (Source, error) {
	if name == DevelopmentClients {
		return development{}, nil
	}
	rest, found := strings.CutPrefix(name, "s3://")
	if !found {
		return File(name), nil
	}
	bucket, key, found := strings.Cut(rest, "/")
	if !found || bucket == "" || key == "" {
		return nil, errors.New("an object of S3 is written as s3://bucket/key")
	}
	configuration, err := load(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return Object{Client: s3.NewFromConfig(configuration), Bucket: bucket, Key: key}, nil
}

// File is the name of a file.
type File string

// settles is how long after a change the time stamp of a file may not tell the next change.
const settles = 2 * time.Second

// Read reads the file; time of change and size are its version. The error does not name the file, whose name is the
// operator's.
func (f File) Read(_ context.Context, seen string) (document []byte, version string, err error) {
	info, err := os.Stat(string(f)) // before it is read: what is written meanwhile is seen next time
	if err == nil && time.Since(info.ModTime()) > settles {
		version = fmt.Sprintf("%d %d", info.ModTime().UnixNano(), info.Size())
	}
	if err == nil && version != "" && version == seen {
		return nil, seen, nil
	}
	if err == nil {
		document, err = os.ReadFile(string(f))
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return document, version, err
}

// Object is an object of S3.
type Object struct {
	Client interface {
		GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	}
	Bucket, Key string
}

// maxDocument is for a document of S3, in bytes.
const maxDocument = 64 << 20

// Read reads the object unless its ETag is seen.
func (o Object) Read(ctx context.Context, seen string) (document []byte, version string, err error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if seen != "" {
		in.IfNoneMatch = &seen
	}
	out, err := o.Client.GetObject(ctx, in)
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.HTTPStatusCode() == http.StatusNotModified {
		return nil, seen, nil
	}
	if err != nil {
		return nil, "", err
	}
	defer out.Body.Close()
	document, err = io.ReadAll(io.LimitReader(out.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(document) > maxDocument:
		return nil, "", errors.New("the object is too large")
	}
	return document, aws.ToString(out.ETag), nil
}
