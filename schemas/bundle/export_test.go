package bundle

// ElementName is elementName for the test that holds it against the schemas.
var ElementName = elementName
