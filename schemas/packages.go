package schemas

import (
	"fmt"
	"io/fs"

	"github.com/ausbizconsulting/referral-fhir-server/schemas/compile"
)

// Packages compiles the profiles of FHIR packages, each a folder or a .tgz, for Config.Packages. It takes about a
// second for ten megabytes of definitions. Without locations it returns nothing.
func Packages(locations ...string) ([]fs.FS, error) {
	if len(locations) == 0 {
		return nil, nil
	}
	definitions, err := compile.Read(locations...)
	if err != nil {
		return nil, err
	}
	profiles, err := definitions.Profiles()
	if err != nil {
		return nil, fmt.Errorf("compile profiles: %w", err)
	}
	return []fs.FS{profiles}, nil
}
