package notebook

import (
	"fmt"
	"strings"
)

// Area says in which part of a notebook something was found.
type Area string

// The parts of a notebook.
const (
	Source     Area = "source"
	Output     Area = "output"
	Metadata   Area = "metadata"
	Attachment Area = "attachment"
	Elsewhere  Area = "elsewhere" // fields that nbformat does not know, and files that are no JSON
)

// Finding says that there is a token, and where. It does not hold the token.
type Finding struct {
	Kind         string // of the token, such as "databricks-token" or "jwt"
	Area         Area
	Cell, Output int // counted from 1; 0 if it is in none
	Line, Column int // of the file, counted from 1; columns are bytes
	// Fingerprint is the same for the same token, within one Scanner.
	Fingerprint string
}

// String says it in one line.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: %s in ", f.Line, f.Column, f.Kind)
	if f.Cell > 0 {
		fmt.Fprintf(&b, "cell %d, ", f.Cell)
	}
	b.WriteString(string(f.Area))
	if f.Output > 0 {
		fmt.Fprintf(&b, " %d", f.Output)
	}
	fmt.Fprintf(&b, " [%s]", f.Fingerprint)
	return b.String()
}

// placeholder is what stands where a token stood. No rule matches it, nor anything
// that it is part of: brackets, colon and space end every token.
func placeholder(kind string) string { return "[removed: " + kind + "]" }
