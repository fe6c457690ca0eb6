// Package aws is the deployment to AWS: template.yaml (SAM), its settings for dev, test and prod, the build that SAM calls,
// the runbook (README.md) and the sums of cost and capacity (COST.md). It has no code of its own; its tests hold the
// template to what the code does: numbers, settings, routes, permissions, log lines, alarms.
//
// It promises nothing about AWS itself: nothing here was deployed by who wrote it.
package aws
