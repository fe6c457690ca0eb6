// Package profiles reads the settings by which functions check resources. It is not part of awslambda, since a function
// that checks nothing, such as query, would otherwise carry all definitions of FHIR with it.
package profiles

import (
	"net/url"

	"github.com/ausbizconsulting/referral-fhir-server/schemas"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
)

// Read returns how resources of the server at base are checked. When something is wrong, v reports it.
func Read(v *env.Settings, base *url.URL) schemas.Config {
	c := schemas.Config{Defaults: schemas.Mode(v.ProfileDefaults()), Base: base.JoinPath("fhir").String()}
	var err error
	if c.Packages, err = schemas.Packages(v.ProfilePackages()...); err != nil {
		v.Wrong("REFERRAL_PROFILE_PACKAGES", "FHIR packages, folders or .tgz, separated by commas: "+err.Error())
	}
	return c
}
