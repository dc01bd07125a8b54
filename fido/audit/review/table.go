package review

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/lakekey/lakekey/fido/audit/export"
)

// Table is a part of a [Report].
type Table struct {
	Name    string // lower-case words with dashes, for a file
	Title   string
	About   string // what a row means, and what the table rests on
	Columns []string
	Rows    [][]Cell
}

// Cell is a text in a table.
type Cell struct {
	Text string
	Flag bool // an auditor will ask about it
}

// WriteCSV writes the table with a line of column names. A cell never begins
// with what a spreadsheet takes for a formula.
func (t *Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(t.Columns); err != nil {
		return fmt.Errorf("audit/review: %w", err)
	}
	for _, r := range t.Rows {
		row := make([]string, len(r))
		for i, c := range r {
			row[i] = export.Cell(c.Text)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("audit/review: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("audit/review: %w", err)
	}
	return nil
}

func (t *Table) add(cells ...Cell) { t.Rows = append(t.Rows, cells) }

// flags counts the rows with a flag.
func (t *Table) flags() (n int) {
	for _, r := range t.Rows {
		for _, c := range r {
			if c.Flag {
				n++
				break
			}
		}
	}
	return n
}

const missing = "none recorded"

func text(s string) Cell { return Cell{Text: s} }

func flagged(s string) Cell { return Cell{s, true} }

// needed is s, or a flag if there is none.
func needed(s string) Cell {
	if s == "" {
		return flagged(missing)
	}
	return text(s)
}

func at(t time.Time) Cell {
	if t.IsZero() {
		return text("")
	}
	return text(t.UTC().Format(time.RFC3339))
}

func record(n uint64) Cell {
	if n == 0 {
		return text("")
	}
	return text(strconv.FormatUint(n, 10))
}

// hours is how latencies are told.
func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', 1, 64) }
