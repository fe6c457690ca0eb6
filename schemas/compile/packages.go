package compile

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Read returns what the packages at locations define, each a folder or a .tgz in the layout of the FHIR NPM package
// specification (https://hl7.org/fhir/packages.html); the first to define a canonical URL wins.
func Read(locations ...string) (*Definitions, error) {
	d := newDefinitions()
	if err := d.read(locations); err != nil {
		return nil, err
	}
	return d, nil
}

// ReadReferenced adds packages of which Profiles takes only what those before refer to.
func (d *Definitions) ReadReferenced(locations ...string) error {
	d.referenced = true
	defer func() { d.referenced = false }()
	return d.read(locations)
}

func (d *Definitions) read(locations []string) error {
	for _, location := range locations {
		if err := d.readPackage(location); err != nil {
			return fmt.Errorf("read %s: %w", location, err)
		}
	}
	return nil
}

// readPackage adds what the package at location, a folder or a .tgz, defines. Files are taken in the order of their
// names, so that the result does not depend on how the package was archived.
func (d *Definitions) readPackage(location string) error {
	files, err := packageFiles(location)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(files))
	id, err := identify(location, names, files)
	if err != nil {
		return err
	}
	d.packages = append(d.packages, id)
	for _, name := range names {
		if err := d.addFile(name, files[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// identify returns the name and version of a package: those of its package.json; in what an IG's sources were built
// to, those of its ImplementationGuide; and of definitions that came alone, the name of their folder.
func identify(location string, names []string, files Files) (id packageID, err error) {
	if manifest := files["package.json"]; manifest != nil {
		if json.Unmarshal(manifest, &id) != nil || id.Name == "" || id.Version == "" {
			return id, errors.New("package.json with a name and a version is missing")
		}
		return id, nil
	}
	for _, name := range names {
		if strings.HasPrefix(name, "ImplementationGuide-") {
			var guide struct{ PackageID, Version string }
			if json.Unmarshal(files[name], &guide) == nil && guide.PackageID != "" && guide.Version != "" {
				return packageID{guide.PackageID, guide.Version}, nil
			}
		}
	}
	absolute, err := filepath.Abs(location)
	return packageID{Name: strings.TrimSuffix(filepath.Base(absolute), ".tgz")}, err
}

// packageFiles returns the JSON files of a package by base name: those of its folder "package", or of the folder
// itself where there is none. Files in folders below, such as example/, are no definitions.
func packageFiles(location string) (Files, error) {
	if info, err := os.Stat(location); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return archiveFiles(location)
	}
	if inner := filepath.Join(location, "package"); isDir(inner) {
		location = inner
	}
	paths, err := filepath.Glob(filepath.Join(location, "*.json"))
	if err != nil {
		return nil, err
	}
	files := make(Files, len(paths))
	for _, p := range paths {
		if files[filepath.Base(p)], err = os.ReadFile(p); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func archiveFiles(name string) (files Files, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	files = Files{}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		folder, base := path.Split(path.Clean(header.Name))
		if folder != "package/" || !strings.HasSuffix(base, ".json") {
			continue
		}
		if files[base], err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
}
