package main

import "slices"

// extension breaks what every extension must be, and puts one where it does not belong.
func (b *breaker) extension(s spot) {
	b.add("extension", "a value and extensions: "+s.path, Want{Code: "invariant", Expression: s.path, Rule: "ext-1", Source: coreDefinitions + "Extension"},
		put(s.pointer+"/valueString", "Synthetic"), put(s.pointer+"/extension", []any{map[string]any{"url": "synthetic", "valueString": "Synthetic"}}))
	url, _ := b.at(s.pointer + "/url").(string)
	p := b.library.Profile(url)
	if p == nil || len(p.Contexts) == 0 || slices.Contains(p.Contexts, "Element") || b.instance["text"] == nil {
		return
	}
	at := b.profile.Type + ".text.extension[0]"
	b.add("extension", p.Name+" where it does not belong: "+at,
		Want{Code: "extension", Expression: at, Rule: "extension-context", Source: url}, put("/text/extension", []any{b.at(s.pointer)}))
}
