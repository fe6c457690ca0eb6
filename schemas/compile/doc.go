// Package compile makes what package schemas checks by out of FHIR packages, folders or .tgz in the layout of the
// FHIR NPM package specification (https://hl7.org/fhir/packages.html). Of what it finds it reads StructureDefinition
// (with snapshot), ValueSet and CodeSystem, alone or inside Bundles.
//
// Schemas are draft-07: one for each resource type, one file each for the datatypes, the primitive types and the code
// lists they share, and manifest.json, which names the packages. What draft-07 cannot say stands beside it in keywords
// of its own: the element that a property is a variant of ("choice"), where a reference may lead ("targets"), which
// codes a concept may have ("binding"), and rules in FHIRPath ("invariants"). Calendar dates and base64 are left to
// package schemas.
//
// Profiles are tables in the form of package profile, with an index and the value sets that decide anything.
//
// It promises the same bytes for the same packages. The command in folder cmd writes both.
package compile
