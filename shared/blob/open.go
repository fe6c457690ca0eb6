package blob

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Store is a Dir or an S3.
type Store interface {
	Put(ctx context.Context, key string, content []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	// List gives all objects whose keys begin with prefix, and ends with the error of each, if it returns one.
	List(ctx context.Context, prefix string, each func(Object) error) error
	// Delete removes an object. One that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Object is what a Store tells of an object without reading it.
type Object struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Open returns the objects of bucket, else those of dir, else nil: whichever is named.
func Open(config aws.Config, bucket, dir string) (Store, error) {
	switch {
	case bucket != "":
		return OpenS3(s3.NewFromConfig(config), bucket), nil
	case dir != "":
		return OpenDir(dir)
	}
	return nil, nil
}
