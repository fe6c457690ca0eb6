package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
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

// List gives the objects whose keys begin with prefix, in the order of their names. What is removed meanwhile is left out.
func (d *Dir) List(ctx context.Context, prefix string, each func(Object) error) error {
	return fs.WalkDir(d.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && entry.IsDir() && name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || !strings.HasPrefix(name, prefix) {
			return passOver(err)
		}
		info, err := entry.Info()
		if err != nil {
			return passOver(err)
		}
		return each(Object{Key: name, Size: info.Size(), Modified: info.ModTime()})
	})
}

// passOver is the error of a listing, unless it is that somebody has removed something.
func passOver(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("list blobs: %w", err)
}

// Delete removes the object under key, and leaves its directory.
func (d *Dir) Delete(_ context.Context, key string) error {
	if err := d.root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete blob: %w", err)
	}
	return nil
}
