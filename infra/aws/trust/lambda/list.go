package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ausbizconsulting/referral-fhir-server/shared/principal"
)

const (
	fetchTimeout = 30 * time.Second
	maxList      = 64 << 20 // as the functions read
)

// list brings the list at name up to the one at url, and returns when the next one is due. Without a url it looks only.
func (t trust) list(ctx context.Context, name, url string, issuers []*x509.Certificate) (time.Time, error) {
	there, missing := t.there(ctx, name, issuers) // what is wrong there is put right
	if url != "" {
		fresh, err := fetch(ctx, url)
		if err != nil {
			return there.NextUpdate, err
		}
		comes, err := principal.ParseList(fresh, issuers)
		switch {
		case err != nil:
			return there.NextUpdate, fmt.Errorf("the one of its issuer cannot be taken: %w", err)
		case missing == nil && !comes.Issuer.Equal(there.Issuer):
			return there.NextUpdate, errors.New("another issuer has signed the one that comes than the one that is there")
		case missing != nil || comes.ThisUpdate.After(there.ThisUpdate): // an old one is a true one, too, and does not have the newest certificates
			if err := t.put(ctx, name, fresh); err != nil {
				return there.NextUpdate, err
			}
			there, missing = comes, nil
		}
	}
	if missing == nil && time.Now().After(there.NextUpdate) {
		missing = fmt.Errorf("a next one was due at %v", there.NextUpdate)
	}
	return there.NextUpdate, missing
}

// there is the list at name.
func (t trust) there(ctx context.Context, name string, issuers []*x509.Certificate) (principal.List, error) {
	list, err := read(ctx, name)
	if err != nil {
		return principal.List{}, err
	}
	return principal.ParseList(list, issuers)
}

// fetch gets a list, as RFC 5280 §4.2.1.13 says, commonly without TLS: its issuer has signed it.
func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	list, err := io.ReadAll(io.LimitReader(response.Body, maxList+1))
	if err == nil && len(list) > maxList {
		err = errors.New("the list is too large")
	}
	return list, err
}

func (t trust) put(ctx context.Context, name string, list []byte) error {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(name, "s3://"), "/")
	_, err := t.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(list)})
	return err
}
