package keypolicy

import (
	"fmt"
	"strings"
)

// SyntaxError says what is wrong with a policy file, and where.
type SyntaxError struct {
	File    string
	Line    int    // 0: the file as a whole
	Field   string // such as rules[1].certification; empty: the file as a whole
	Problem string // what is wrong, and what is allowed instead
}

// Error returns it as compilers do: file, line, field and problem.
func (e *SyntaxError) Error() string {
	var b strings.Builder
	b.WriteString("keypolicy: " + e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	return b.String() + ": " + e.Problem
}
