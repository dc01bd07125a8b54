package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// report tells what was found: line by line for people, or as one JSON object.
type report struct {
	check, json    bool
	stdout, stderr io.Writer

	notebooks, removed, left int
	findings                 []finding
	errors                   []failure
}

type finding struct {
	Path        string        `json:"path"`
	Kind        string        `json:"kind"`
	Area        notebook.Area `json:"area"`
	Cell        int           `json:"cell,omitempty"`
	Output      int           `json:"output,omitempty"`
	Line        int           `json:"line"`
	Column      int           `json:"column"`
	Fingerprint string        `json:"fingerprint"`
	Removed     bool          `json:"removed"`
}

type failure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}

// add tells of one notebook.
func (r *report) add(path string, removed, left []notebook.Finding, err error) {
	r.notebooks++
	r.removed += len(removed)
	r.left += len(left)
	r.list(path, removed, true)
	r.list(path, left, false)
	if err == nil {
		return
	}
	r.errors = append(r.errors, failure{path, err.Error()})
	if !r.json {
		fmt.Fprintf(r.stderr, "nbclean: %s: %v\n", shown(path), err)
	}
}

func (r *report) list(path string, all []notebook.Finding, removed bool) {
	for _, f := range all {
		r.findings = append(r.findings, finding{path, f.Kind, f.Area, f.Cell, f.Output, f.Line, f.Column, f.Fingerprint, removed})
		if r.json {
			continue
		}
		what := "found"
		if removed {
			what = "removed"
		}
		fmt.Fprintf(r.stdout, "%s:%v: %s\n", shown(path), f, what)
	}
}

// shown is a path as it can be shown on a terminal.
func shown(path string) string {
	if strings.ContainsFunc(path, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(path)
	}
	return path
}

// end tells the sum, and returns the exit status.
func (r *report) end() int {
	if r.json {
		r.print()
	} else {
		r.sum()
	}
	switch {
	case r.left > 0:
		return statusLeft
	case len(r.errors) > 0:
		return statusUnknown
	default:
		return 0
	}
}

func (r *report) print() {
	e := json.NewEncoder(r.stdout)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Notebooks int       `json:"notebooks"`
		Removed   int       `json:"removed"`
		Left      int       `json:"left"`
		Findings  []finding `json:"findings"`
		Errors    []failure `json:"errors"`
	}{r.notebooks, r.removed, r.left, append([]finding{}, r.findings...), append([]failure{}, r.errors...)})
}

func (r *report) sum() {
	switch {
	case r.removed == 0 && r.left == 0:
		return // nothing to tell is told by silence, as hooks like it
	case r.check:
		fmt.Fprintf(r.stderr, "nbclean: tokens found: %d. Revoke them; nbclean PATH takes them out.\n", r.left)
	case r.left > 0:
		fmt.Fprintf(r.stderr, "nbclean: tokens removed: %d; left, because they stand in source: %d. Take those out by hand, and revoke them all.\n", r.removed, r.left)
	default:
		fmt.Fprintf(r.stderr, "nbclean: tokens removed: %d. Revoke them.\n", r.removed)
	}
}
