package blob

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Store is a Dir or an S3.
type Store interface {
	Put(ctx context.Context, key string, content []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
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
