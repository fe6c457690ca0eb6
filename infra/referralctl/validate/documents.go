package validate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// Stdin is the name of standard input.
const Stdin = "-"

// Document is one resource, and where it stands in its file.
type Document struct {
	Path         string
	Number       int // the nth of several, from 1; 0 for the only one
	Body         []byte
	line, column int // before it in the file
}

// Files returns the files that paths name: themselves, and of directories those that end in .json and .ndjson, in
// the order of their names. What is missing is an fs.ErrNotExist.
func Files(paths ...string) ([]string, error) {
	var files []string
	for _, path := range paths {
		if path == Stdin {
			files = append(files, path)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if extension := filepath.Ext(path); err == nil && d.Type().IsRegular() && (extension == ".json" || extension == ".ndjson") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s holds no file that ends in .json or .ndjson", path)
		}
	}
	return files, nil
}

// Read returns the documents in a file. Standard input and files that end in .ndjson hold one after another.
func Read(path string, stdin io.Reader) ([]Document, error) {
	var body []byte
	var err error
	if path == Stdin {
		body, err = io.ReadAll(stdin)
	} else {
		body, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if path != Stdin && filepath.Ext(path) != ".ndjson" {
		return []Document{{Path: path, Body: body}}, nil
	}
	return several(path, body), nil
}

// several takes apart JSON values that stand one after another. What is no JSON is the last document, whole, so that
// the gate tells where.
func several(path string, body []byte) []Document {
	var documents []Document
	decoder := json.NewDecoder(bytes.NewReader(body))
	end, line, column := 0, 0, 0
	for n := 1; ; n++ {
		rest := body[end:]
		begin := end + len(rest) - len(bytes.TrimLeft(rest, " \t\r\n"))
		if begin == len(body) && n > 1 {
			break
		}
		line, column = moved(line, column, body[end:begin])
		var value json.RawMessage
		end = len(body)
		if decoder.Decode(&value) == nil {
			end = int(decoder.InputOffset())
		}
		documents = append(documents, Document{Path: path, Number: n, Body: body[begin:end], line: line, column: column})
		line, column = moved(line, column, body[begin:end])
		if end == len(body) {
			break
		}
	}
	if len(documents) == 1 {
		documents[0].Number = 0
	}
	return documents
}

// moved returns the line and column behind text that begins at line and column, all from 0.
func moved(line, column int, text []byte) (int, int) {
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		line, column = line+bytes.Count(text, []byte("\n")), 0
		text = text[i+1:]
	}
	return line, column + utf8.RuneCount(text)
}

// foreign tells what a file is that is not JSON, in words that help; "" for what may be JSON.
func foreign(body []byte) string {
	text := bytes.TrimLeft(body, " \t\r\n")
	for prefix, what := range map[string]string{
		"\x1f\x8b":     "This is a gzip archive: unpack it first. A FHIR package with profiles is named by --packages",
		"PK\x03\x04":   "This is a zip archive: unpack it first",
		"%PDF-":        "This is a PDF, not a FHIR resource: it may be an attachment of one",
		"MSH|":         "This is an HL7 v2 message, not FHIR",
		"<":            "This is XML or HTML: only the JSON form of FHIR is read, here as on the server",
		"\xfe\xff":     "This is UTF-16: save it as UTF-8",
		"\xff\xfe":     "This is UTF-16: save it as UTF-8",
		"resourceType": "This is not JSON: it may be YAML",
	} {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return what
		}
	}
	if len(text) == 0 {
		return "There is nothing here: a JSON document is expected"
	}
	return ""
}
