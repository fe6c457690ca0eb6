package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Row is one measured value.
type Row struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// table prints rows, beside those of the same name in old and the ratio to them.
func table(rows, old []Row) string {
	before := map[string]float64{}
	for _, r := range old {
		before[r.Name] = r.Value
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s", r.Name, number(r.Value), r.Unit)
		if was, ok := before[r.Name]; ok && was != 0 {
			fmt.Fprintf(w, "\twas %s\t×%.2f", number(was), r.Value/was)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return b.String()
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
