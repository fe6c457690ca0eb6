package submit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// Document is one Bundle to send.
type Document struct {
	Path string // its file; with ":n" for the nth of several in a file or on standard input
	Body []byte
}

// Inputs are the files that documents are read from, in order.
type Inputs struct {
	paths []string
	stdin io.Reader
}

// Stdin is the name of standard input.
const Stdin = "-"

// Open looks for the files in paths and in the directories among them, in which those ending in .json and .ndjson count.
// It reads none yet, but says what is missing before anything is sent.
func Open(paths []string, stdin io.Reader) (*Inputs, error) {
	in := &Inputs{stdin: stdin}
	for _, path := range paths {
		if path == Stdin {
			in.paths = append(in.paths, path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			in.paths = append(in.paths, path)
			continue
		}
		before := len(in.paths)
		err = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if extension := filepath.Ext(path); err == nil && d.Type().IsRegular() && (extension == ".json" || extension == ".ndjson") {
				in.paths = append(in.paths, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(in.paths) == before {
			return nil, fmt.Errorf("%s holds no file that ends in .json or .ndjson", path)
		}
	}
	return in, nil
}

// Total returns the number of documents, or 0 when it is not known before all of them are read.
func (in *Inputs) Total() int {
	for _, path := range in.paths {
		if several(path) {
			return 0
		}
	}
	return len(in.paths)
}

// several tells whether path may hold more than one document.
func several(path string) bool { return path == Stdin || filepath.Ext(path) == ".ndjson" }

// All reads the documents one after another. A file is one document, byte for byte; one that ends in .ndjson and
// standard input hold JSON values one after another. An error is the last thing it yields.
func (in *Inputs) All() iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for _, path := range in.paths {
			if !several(path) {
				body, err := os.ReadFile(path)
				if !yield(Document{path, body}, err) || err != nil {
					return
				}
				continue
			}
			if !in.values(path, yield) {
				return
			}
		}
	}
}

// values yields the JSON values in path and tells whether to go on.
func (in *Inputs) values(path string, yield func(Document, error) bool) bool {
	reader := in.stdin
	if path != Stdin {
		file, err := os.Open(path)
		if err != nil {
			yield(Document{}, err)
			return false
		}
		defer file.Close()
		reader = file
	}
	decoder := json.NewDecoder(reader)
	for n := 1; ; n++ {
		var body json.RawMessage
		err := decoder.Decode(&body)
		if errors.Is(err, io.EOF) {
			return true
		}
		name := fmt.Sprintf("%s:%d", path, n)
		if err != nil { // not quoted: it may hold a piece of the document
			yield(Document{}, fmt.Errorf("%s is no JSON from byte %d on", name, decoder.InputOffset()))
			return false
		}
		if !yield(Document{name, body}, nil) {
			return false
		}
	}
}
