package export_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit/export"
)

func TestNoCellIsAFormula(t *testing.T) {
	for s, want := range map[string]string{
		"":                     "",
		"ada@example.com":      "ada@example.com",
		"2026-01-01":           "2026-01-01",
		"a = b; c - d":         "a = b; c - d",
		`=cmd|'/c calc'!A1`:    `'=cmd|'/c calc'!A1`,
		"-1+1":                 "'-1+1",
		"@SUM(A1)":             "'@SUM(A1)",
		"\t=1":                 "'\t'=1",
		"x;=HYPERLINK(A1);+2;": "x;'=HYPERLINK(A1);'+2;",
		"x\n=1":                "x\n'=1",
		"＝1＋1":                 "'＝1＋1",
		"＠x":                   "'＠x",
	} {
		require.Equal(t, want, export.Cell(s), "%q", s)
	}
}
