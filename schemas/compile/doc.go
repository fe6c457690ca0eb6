// Command compile makes the JSON Schemas of schemas/r4 from FHIR packages:
//
//	go run ./schemas/compile -out schemas/r4 PACKAGE…
//
// A PACKAGE is a folder or .tgz in the layout of the FHIR NPM package specification
// (https://hl7.org/fhir/packages.html). Of what it finds it reads StructureDefinition (with snapshot), ValueSet and
// CodeSystem, alone or inside Bundles, and writes one draft-07 schema per resource type, one file each for the
// datatypes, the primitive types and the code lists they share, and manifest.json, which names the packages.
//
// It promises the same bytes for the same packages. What draft-07 cannot say, or gojsonschema says slowly, is left to
// package schemas: calendar dates, base64, and that a choice such as value[x] stands at most once (the keyword
// "choice" names the element that a property is a variant of). Profiles are not compiled here.
package main
