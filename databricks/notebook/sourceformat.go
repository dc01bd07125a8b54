package notebook

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
)

// The source format: https://docs.databricks.com/aws/en/notebooks/notebook-export-import
var (
	sourceSuffixes = []string{".py", ".sql", ".scala", ".r"}
	sourceComments = []string{"#", "--", "//"}
)

const (
	sourceHeader    = " Databricks notebook source"
	sourceSeparator = " COMMAND ----------"
)

// IsSourceFormat reports whether data, of which the beginning is enough, is a notebook
// in the source format of Databricks.
func IsSourceFormat(data []byte) bool {
	first, _, _ := bytes.Cut(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\n"))
	return isMark(first, sourceHeader)
}

// isMark reports whether a line is a comment that says mark.
func isMark(line []byte, mark string) bool {
	return slices.ContainsFunc(sourceComments, func(comment string) bool {
		return string(bytes.TrimRight(line, " \t\r")) == comment+mark
	})
}

// cellAt is the number of the cell, counted from 1, in which the byte at stands.
func cellAt(data []byte, at int) int {
	n := 1
	for line := range bytes.Lines(data[:at]) {
		if isMark(bytes.TrimSuffix(line, []byte("\n")), sourceSeparator) {
			n++
		}
	}
	return n
}

// MayBeSource reports whether a name is one that the source format uses.
func MayBeSource(name string) bool {
	return slices.Contains(sourceSuffixes, strings.ToLower(filepath.Ext(name)))
}
