package narrative

// elementAllowed tells whether txt-1 has an element: its list in the R4 schematron, and what those chapters of HTML
// 4.0 have besides that is not deprecated: address, bdo and kbd.
func elementAllowed(name string) bool {
	switch name {
	case "a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "caption", "cite", "code", "col",
		"colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd",
		"li", "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot",
		"th", "thead", "tr", "tt", "ul", "var":
		return true
	}
	return false
}

// attributeAllowed tells whether txt-1 has an attribute, besides those whose value matters: its list in the R4
// schematron, and XHTML's of the xml namespace.
func attributeAllowed(name string) bool {
	switch name {
	case "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
		"cellvalign", "char", "charoff", "charset", "class", "colspan", "compact", "coords", "dir", "frame", "headers",
		"height", "hreflang", "hspace", "id", "lang", "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope",
		"shape", "span", "start", "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width",
		"xml:id", "xml:lang", "xml:space":
		return true
	}
	return false
}

// active tells whether an element is one of those for which narratives are attacked, or mistaken for web pages. Only
// these are named in a sentence: any other name may be a person's.
func active(name string) bool {
	switch name {
	case "applet", "audio", "base", "body", "button", "embed", "font", "form", "frame", "frameset", "head", "html",
		"iframe", "input", "link", "map", "math", "meta", "noscript", "object", "script", "select", "source", "style",
		"svg", "template", "textarea", "title", "video":
		return true
	}
	return false
}
