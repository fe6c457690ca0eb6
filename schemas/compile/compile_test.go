package compile

import (
	"archive/tar"
	"compress/gzip"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

// TestGolden compiles two synthetic packages and compares each file with testdata/golden: parcel, a type with its
// datatypes and a profile, and clinic, a package of profiles alone, as an operator adds one.
func TestGolden(t *testing.T) {
	for _, name := range []string{"parcel", "clinic"} {
		t.Run(name, func(t *testing.T) {
			source, golden := filepath.Join("testdata", name), filepath.Join("testdata", "golden", name)
			if *update {
				replace(t, golden, compiled(t, source))
			}
			want := contents(t, golden)
			for layout, location := range map[string]string{
				"folder":             source,
				"archive":            archive(t, source),
				"folder as unpacked": unpacked(t, source),
			} {
				t.Run(layout, func(t *testing.T) {
					if diff := cmp.Diff(want, compiled(t, location)); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				})
			}
		})
	}
}

// compiled returns the tables of the package at location and, where it defines types, their schemas.
func compiled(tb testing.TB, location string) map[string]string {
	tb.Helper()
	definitions, err := Read(location)
	if err != nil {
		tb.Fatal(err)
	}
	made, err := definitions.Profiles()
	if err != nil {
		tb.Fatal(err)
	}
	if len(definitions.byType("resource")) > 0 {
		schemas, err := definitions.Schemas()
		if err != nil {
			tb.Fatal(err)
		}
		maps.Copy(made, schemas)
		made["elements.txt"] = definitions.Elements()
	}
	files := map[string]string{}
	for name, content := range made {
		files[name] = string(content)
	}
	return files
}

// replace makes folder hold files and nothing else.
func replace(tb testing.TB, folder string, files map[string]string) {
	tb.Helper()
	if err := os.RemoveAll(folder); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		tb.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, file, content string
		want                string
	}{
		{"no version", "package.json", `{"name":"x"}`, "package.json with a name and a version"},
		{"no snapshot", "StructureDefinition-a.json",
			`{"resourceType":"StructureDefinition","kind":"resource","type":"A","url":"http://hl7.org/fhir/StructureDefinition/A"}`, "no snapshot"},
		{"no snapshot of a profile", "StructureDefinition-a.json",
			`{"resourceType":"StructureDefinition","kind":"resource","derivation":"constraint","type":"Patient","url":"http://e.x/a"}`, "no snapshot"},
		{"new primitive", "StructureDefinition-a.json",
			`{"resourceType":"StructureDefinition","kind":"primitive-type","type":"integer64","url":"http://hl7.org/fhir/StructureDefinition/integer64"}`, "integer64"},
		{"not JSON", "ValueSet-a.json", `{"resourceType":`, "ValueSet-a.json"},
		{"nothing to compile", "Patient-a.json", `{}`, "no resource type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			files := map[string]string{"package.json": `{"name":"x","version":"1"}`}
			files[tt.file] = tt.content
			for name, content := range files {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			definitions, err := Read(folder)
			if err == nil {
				_, err = definitions.Profiles()
			}
			if err == nil {
				_, err = definitions.Schemas()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestCodeList(t *testing.T) {
	defs := newDefinitions()
	defs.systems["complete"] = &codeSystem{Content: "complete", Concept: []concept{{Code: "a"}, {Code: "b"}}}
	defs.systems["fragment"] = &codeSystem{Content: "fragment", Concept: []concept{{Code: "a"}}}
	defs.systems["large"] = &codeSystem{Content: "complete", Concept: make([]concept, maxCodes+1)}
	for i := range defs.systems["large"].Concept {
		defs.systems["large"].Concept[i].Code = strings.Repeat("x", i+1)
	}
	listed := conceptSet{System: "elsewhere", Concept: []concept{{Code: "b"}, {Code: "c"}}}
	for _, tt := range []struct {
		name    string
		include []conceptSet
		exclude []conceptSet
		want    []string
	}{
		{"whole system", []conceptSet{{System: "complete"}}, nil, []string{"a", "b"}},
		{"listed", []conceptSet{listed}, nil, []string{"b", "c"}},
		{"both, without repeats", []conceptSet{{System: "complete"}, listed}, nil, []string{"a", "b", "c"}},
		{"another value set", []conceptSet{{ValueSet: []string{"http://e.x/listed|1"}}}, nil, []string{"b", "c"}},
		{"itself", []conceptSet{{ValueSet: []string{"http://e.x/tested"}}}, nil, nil},
		{"fragment", []conceptSet{{System: "fragment"}}, nil, nil},
		{"unknown system", []conceptSet{{System: "complete"}, {System: "urn:ietf:bcp:13"}}, nil, nil},
		{"filter", []conceptSet{{System: "complete", Filter: make([]filter, 1)}}, nil, nil},
		{"exclusion", []conceptSet{{System: "complete"}}, []conceptSet{{System: "complete"}}, nil},
		{"too many", []conceptSet{{System: "large"}}, nil, nil},
		{"nothing", nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, other := &valueSet{}, &valueSet{}
			set.Compose.Include, set.Compose.Exclude = tt.include, tt.exclude
			other.Compose.Include = []conceptSet{listed}
			defs.valueSets = map[string]*valueSet{"http://e.x/tested": set, "http://e.x/listed": other}
			got := defs.codeList("http://e.x/tested")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("codeList: (-want +got)\n%s", diff)
			}
		})
	}
}

// contents returns the files of a folder by name.
func contents(tb testing.TB, folder string) map[string]string {
	tb.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// archive packs folder as npm does, with an example that is not part of the definitions.
func archive(tb testing.TB, folder string) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "package.tgz")
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	zipped := gzip.NewWriter(f)
	packed := tar.NewWriter(zipped)
	files := map[string]string{"package/example/StructureDefinition-broken.json": "{"}
	for name, content := range contents(tb, folder) {
		files["package/"+name] = content
	}
	for name, content := range files {
		if err := packed.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := packed.Write([]byte(content)); err != nil {
			tb.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{packed, zipped, f} {
		if err := c.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return name
}

// unpacked lays folder out as an unpacked archive: with its files in a folder called package.
func unpacked(tb testing.TB, folder string) string {
	tb.Helper()
	location := tb.TempDir()
	if err := os.CopyFS(filepath.Join(location, "package"), os.DirFS(folder)); err != nil {
		tb.Fatal(err)
	}
	return location
}
