package compile

import "fmt"

// primitive describes how one primitive type stands in JSON (FHIR R4 datatypes.html#primitive, json.html#primitive).
// The description completes the sentence "must be …".
//
// The patterns are those of the standard, anchored, but for four that would read every character of long texts:
// string, markdown and xhtml must only not be empty (the JSON gate refuses control characters), and the alphabet of
// base64Binary is checked by package schemas, because an attachment has megabytes.
func primitive(name string) (schema, error) {
	const (
		year     = `([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)`
		month    = `(0[1-9]|1[0-2])`
		day      = `(0[1-9]|[12][0-9]|3[01])`
		clock    = `([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?`
		zone     = `(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))`
		maxInt   = 1<<31 - 1
		notEmpty = `^\s*[0-9A-Za-z+/=]`
	)
	text := func(pattern, description string) schema {
		return schema{{"type", "string"}, {"pattern", pattern}, {"description", description}}
	}
	integer := func(minimum int, description string) schema {
		return schema{{"type", "integer"}, {"minimum", minimum}, {"maximum", maxInt}, {"description", description}}
	}
	anyText := func(description string) schema {
		return schema{{"type", "string"}, {"minLength", 1}, {"description", description}}
	}
	switch name {
	case "boolean":
		return schema{{"type", "boolean"}, {"description", "true or false, without quotes"}}, nil
	case "decimal":
		return schema{{"type", "number"}, {"description", "a number, without quotes"}}, nil
	case "integer":
		return integer(-maxInt-1, "a whole number from -2147483648 to 2147483647"), nil
	case "unsignedInt":
		return integer(0, "a whole number from 0 to 2147483647"), nil
	case "positiveInt":
		return integer(1, "a whole number from 1 to 2147483647"), nil
	case "string":
		return anyText("text that is not empty"), nil
	case "markdown":
		return anyText("Markdown text that is not empty"), nil
	case "xhtml":
		return anyText("XHTML"), nil
	case "base64Binary":
		return text(notEmpty, "base64 text"), nil
	case "date":
		return text(`^`+year+`(-`+month+`(-`+day+`)?)?$`, "a date: YYYY, YYYY-MM or YYYY-MM-DD"), nil
	case "dateTime":
		return text(`^`+year+`(-`+month+`(-`+day+`(T`+clock+zone+`)?)?)?$`,
			"a date, or a date and time with seconds and a time zone such as 2024-02-29T09:30:00+10:00"), nil
	case "instant":
		return text(`^`+year+`-`+month+`-`+day+`T`+clock+zone+`$`,
			"a date and time with seconds and a time zone such as 2024-02-29T09:30:00+10:00"), nil
	case "time":
		return text(`^`+clock+`$`, "a time of day: hh:mm:ss"), nil
	case "uri", "url", "canonical":
		return text(`^\S+$`, "a URI without spaces"), nil
	case "code":
		return text(`^\S+(\s\S+)*$`, "a code: no space at either end, single ones inside"), nil
	case "id":
		return text(`^[A-Za-z0-9.-]{1,64}$`, "an id: 1 to 64 of A-Z, a-z, 0-9, hyphen and full stop"), nil
	case "oid":
		return text(`^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$`, "an OID that begins with urn:oid:"), nil
	case "uuid":
		return text(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
			"a UUID in lower case that begins with urn:uuid:"), nil
	}
	return nil, fmt.Errorf("primitive type %s is not one of FHIR R4", name)
}
