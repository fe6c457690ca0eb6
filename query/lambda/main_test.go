package main

import (
	"testing"

	"github.com/ausbizconsulting/referral-fhir-server/shared/env"
	"github.com/ausbizconsulting/referral-fhir-server/shared/env/envtest"
)

func TestSettingsAreInTheReadme(t *testing.T) {
	envtest.CheckReadme(t, "../../README.md", "### On Lambda", "query", func(v *env.Settings) {
		if _, err := start(t.Context(), v); err == nil {
			t.Error("started without settings")
		}
	})
}
