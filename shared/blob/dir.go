package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Dir keeps objects as files below one directory, for one machine. Safe for concurrent use, by several processes.
type Dir struct {
	root *os.Root
}

// OpenDir opens dir, which it makes when absent. Nothing outside of it can be named by a key.
func OpenDir(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	return &Dir{root: root}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Put writes the object under key, a slash-separated path, and returns when it is on disk: file, then name. One that
// is there already is written anew: it may be damaged, and whoever wrote it may not have come to the disk yet.
func (d *Dir) Put(_ context.Context, key string, content []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("put blob: %w", err)
		}
	}()
	if err := d.root.MkdirAll(path.Dir(key), 0o700); err != nil {
		return err
	}
	temporary := key + "." + rand.Text() // of this writer alone
	if err := d.write(temporary, content); err != nil {
		return errors.Join(err, d.root.Remove(temporary))
	}
	if err := d.root.Rename(temporary, key); err != nil {
		return errors.Join(err, d.root.Remove(temporary))
	}
	return d.syncParents(key)
}

func (d *Dir) write(name string, content []byte) error {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncParents makes the name durable: each directory on the way may be new.
func (d *Dir) syncParents(key string) error {
	for dir := path.Dir(key); ; dir = path.Dir(dir) {
		f, err := d.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// Get reads the object under key, or returns ErrNotFound.
func (d *Dir) Get(_ context.Context, key string) ([]byte, error) {
	content, err := d.root.ReadFile(key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("get blob: %w", ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("get blob: %w", err)
	}
	return content, nil
}
