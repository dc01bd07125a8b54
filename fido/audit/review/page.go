package review

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

// maxRows bounds the rows of a table on the page; the file has them all.
const maxRows = 500

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"when": func(t time.Time) string {
		if t.IsZero() {
			return "the beginning"
		}
		return t.UTC().Format("2006-01-02 15:04 UTC")
	},
	"first": func(rows [][]Cell) [][]Cell { return rows[:min(len(rows), maxRows)] },
	"rest":  func(rows [][]Cell) int { return max(0, len(rows)-maxRows) },
	"class": func(t *Table, column int) string {
		switch c := t.Columns[column]; {
		case strings.Contains(c, "SHA-256") || c == "before" || c == "after" || c == "model":
			return "hash"
		case c == "times" || c == "days" || strings.HasPrefix(c, "latency") || strings.HasSuffix(c, "record"):
			return "number"
		case c == "rationale" || c == "reason" || c == "why":
			return "prose"
		}
		return ""
	},
}).Parse(pageSource))

// WriteHTML writes the report as one page that needs nothing else: it loads
// nothing and has no script, reads in light and dark, and prints.
func (r *Report) WriteHTML(w io.Writer) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("audit/review: %w", err)
	}
	return nil
}
