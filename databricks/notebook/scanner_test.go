package notebook_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// quoted is s in JSON.
func quoted(s any) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// printed is a notebook with one cell that printed something.
func printed(text string) string {
	return `{"cells":[{"cell_type":"code","execution_count":1,"id":"a","metadata":{},"outputs":[{"name":"stdout","output_type":"stream","text":` + text +
		`}],"source":["print(1)"]}],"metadata":{},"nbformat":4,"nbformat_minor":5}`
}

func clean(t testing.TB, data string, o notebook.Options) (string, []notebook.Finding, []notebook.Finding) {
	t.Helper()
	cleaned, removed, left, err := notebook.NewScanner().Clean(context.Background(), []byte(data), o)
	require.NoError(t, err)
	return string(cleaned), removed, left
}

// Each kind of token is found in an output, and nothing but the token goes.
func TestKinds(t *testing.T) {
	for _, sample := range samples {
		t.Run(sample.kind, func(t *testing.T) {
			text := strings.NewReplacer("<", "", ">", "").Replace(sample.text)
			before, after := printed(quoted(text)), printed(quoted(text))
			for rest := sample.text; ; {
				_, tail, ok := strings.Cut(rest, "<")
				if !ok {
					break
				}
				secret, next, _ := strings.Cut(tail, ">")
				inJSON := strings.Trim(quoted(secret), `"`)
				require.Contains(t, after, inJSON)
				after = strings.Replace(after, inJSON, "[removed: "+sample.kind+"]", 1)
				rest = next
			}
			got, removed, left := clean(t, before, notebook.Options{})
			require.Equal(t, after, got)
			require.Empty(t, left)
			for _, f := range removed {
				require.Equal(t, sample.kind, f.Kind)
				require.Equal(t, notebook.Output, f.Area)
				require.Equal(t, []int{1, 1, 1}, []int{f.Cell, f.Output, f.Line})
			}
		})
	}
}

func TestHarmless(t *testing.T) {
	for _, text := range harmless {
		got, removed, _ := clean(t, printed(quoted(text)), notebook.Options{})
		require.Empty(t, removed, text)
		require.Equal(t, printed(quoted(text)), got)
	}
}

// What hides a token does not hide it.
func TestHidden(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	escaped := func(s string) (out string) {
		for _, c := range s {
			out += fmt.Sprintf(`\u%04X`, c)
		}
		return `"` + out + `"`
	}
	inner := quoted(map[string]string{"x": "a " + pat()})
	url := base64.RawURLEncoding.EncodeToString([]byte("user???>>>:" + pat()))
	wrapped := b64([]byte(strings.Repeat("nothing to see here. ", 9) + pat() + " and more"))
	var lines []string
	for ; len(wrapped) > 76; wrapped = wrapped[76:] {
		lines = append(lines, wrapped[:76]+"\n")
	}
	lines = append(lines, wrapped)
	for name, text := range map[string]string{
		"split over lines":          quoted([]string{"token: dapi", pat()[4:20], pat()[20:] + "\n", "more\n"}),
		"in one line of several":    quoted([]string{"x" + mixed(20), "dose" + digits(32), mixed(20)}),
		"escaped":                   escaped(pat()),
		"JSON in JSON":              quoted(inner),
		"JSON in JSON in JSON":      quoted(quoted(inner)),
		"coloured":                  quoted("\x1b[38;5;28mdose" + digits(16) + "\x1b[0m\x1b[1;31m" + digits(32)[16:] + "\x1b[0m"),
		"Python's repr":             quoted(`'\x64\x61pi` + digits(32) + `\n'`),
		"base64":                    quoted("x " + b64([]byte("user:"+pat()))),
		"base64url":                 quoted(url),
		"base64, something before":  quoted("abc/" + b64([]byte("user:"+pat()))),
		"base64, wrapped":           quoted(lines),
		"base64 in base64":          quoted(b64([]byte(b64([]byte(pat()))))),
		"base64 in JSON in JSON":    quoted(quoted(b64([]byte(quoted("t" + pat()))))),
		"a key of an object":        `{"` + pat() + `":1}`,
		"the value of a name":       `{"access_token":"` + mixed(40) + `"}`,
		"a JSON Web Key":            `{"d":"` + mixed(43) + `","kty":"EC","crv":"P-256","x":"` + digits(16)[:10] + `"}`,
		"deep in an unknown object": `{"a":[[{"b":[1,true,null,{"c":["x","` + pat() + `"]}]}]]}`,
	} {
		t.Run(name, func(t *testing.T) {
			before := printed(text)
			got, removed, _ := clean(t, before, notebook.Options{})
			require.Len(t, removed, 1)
			require.NotContains(t, got, digits(32)[:16])
			require.NotContains(t, got, digits(32)[16:])
			require.True(t, json.Valid([]byte(got)), got)
			require.Contains(t, got, "[removed: "+removed[0].Kind+"]")
			require.True(t, strings.HasPrefix(got, before[:100]))
			require.True(t, strings.HasSuffix(got, before[len(before)-60:]))
			again, removed, _ := clean(t, got, notebook.Options{})
			require.Empty(t, removed)
			require.Equal(t, got, again)
		})
	}
}

// Every part of a notebook is searched; source is changed only on demand.
func TestParts(t *testing.T) {
	data, err := os.ReadFile("testdata/parts.ipynb")
	require.NoError(t, err)
	before := strings.ReplaceAll(string(data), "TOKEN", pat())
	type where struct {
		area               notebook.Area
		cell, output, line int
	}
	wheres := func(all []notebook.Finding) (w []where) {
		for _, f := range all {
			w = append(w, where{f.Area, f.Cell, f.Output, f.Line})
			require.Equal(t, all[0].Fingerprint, f.Fingerprint)
		}
		return w
	}
	others := []where{
		{notebook.Attachment, 1, 0, 7}, {notebook.Metadata, 1, 0, 11}, {notebook.Elsewhere, 2, 0, 19}, {notebook.Metadata, 2, 0, 21}, {notebook.Output, 2, 1, 26},
		{notebook.Output, 2, 2, 33}, {notebook.Output, 2, 2, 35}, {notebook.Output, 2, 3, 40}, {notebook.Metadata, 0, 0, 50}, {notebook.Elsewhere, 0, 0, 54},
	}
	got, removed, left := clean(t, before, notebook.Options{})
	require.Equal(t, others, wheres(removed))
	require.Equal(t, []where{{notebook.Source, 1, 0, 13}, {notebook.Source, 2, 0, 44}}, wheres(left))
	require.Equal(t, strings.NewReplacer("TOKEN", "[removed: databricks-token]", "source_TOKEN", "source_"+pat()).Replace(string(data)), got)

	all, removed, left := clean(t, before, notebook.Options{Source: true})
	require.Len(t, removed, len(others)+2)
	require.Empty(t, left)
	require.Equal(t, strings.ReplaceAll(string(data), "TOKEN", "[removed: databricks-token]"), all)
}

func TestSourceFormat(t *testing.T) {
	before := "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %md key " + pat() + "\n"
	require.True(t, notebook.IsSourceFormat([]byte(before)))
	require.False(t, notebook.IsSourceFormat([]byte("import os\n# Databricks notebook source\n")))
	got, removed, left := clean(t, before, notebook.Options{})
	require.Equal(t, before, got)
	require.Empty(t, removed)
	require.Len(t, left, 1)
	require.Equal(t, notebook.Finding{Kind: "databricks-token", Area: notebook.Source, Cell: 2, Line: 6, Column: 17, Fingerprint: left[0].Fingerprint}, left[0])
	got, removed, _ = clean(t, before, notebook.Options{Source: true})
	require.Len(t, removed, 1)
	require.Equal(t, strings.ReplaceAll(before, pat(), "[removed: databricks-token]"), got)
	for _, header := range []string{"-- Databricks notebook source\r\n", "// Databricks notebook source", "\ufeff# Databricks notebook source\n"} {
		require.True(t, notebook.IsSourceFormat([]byte(header)), header)
	}
}

// A notebook that is broken is searched as a text, and not touched.
func TestBroken(t *testing.T) {
	s := notebook.NewScanner()
	for _, data := range []string{
		"<<<<<<< HEAD\n" + printed(quoted(pat())),
		printed(quoted(pat())) + "}",
		printed(quoted(pat()))[:200],
		"[" + quoted(pat()) + "]",
		strings.Repeat("[", 1_000_000) + pat(),
	} {
		found, err := s.Find(t.Context(), []byte(data))
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.Equal(t, notebook.Elsewhere, found[0].Area)
		_, _, _, err = s.Clean(t.Context(), []byte(data), notebook.Options{Source: true})
		require.ErrorIs(t, err, notebook.ErrNotNotebook)
	}
}

func TestBounds(t *testing.T) {
	s := notebook.NewScanner()
	large := make([]byte, notebook.MaxSize+1)
	_, err := s.Find(t.Context(), large)
	require.ErrorIs(t, err, notebook.ErrTooLarge)
	_, _, _, err = s.Clean(t.Context(), large, notebook.Options{})
	require.ErrorIs(t, err, notebook.ErrTooLarge)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = s.Find(ended, []byte(printed(quoted(pat()))))
	require.ErrorIs(t, err, context.Canceled)
}

// Nothing that is handed out says what was found, and fingerprints do not outlive
// their Scanner.
func TestFindingsDoNotTell(t *testing.T) {
	data := []byte(printed(quoted(pat() + " " + token() + " " + pat())))
	s := notebook.NewScanner()
	found, err := s.Find(t.Context(), data)
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, found[0].Fingerprint, found[2].Fingerprint)
	require.NotEqual(t, found[0].Fingerprint, found[1].Fingerprint)
	said := fmt.Sprintf("%v %+v %#v %s", found, found, s, found[0]) + quoted(found)
	for _, secret := range []string{pat(), digits(12), token(), token()[:20]} {
		require.NotContains(t, said, secret)
	}
	other, err := notebook.NewScanner().Find(t.Context(), data)
	require.NoError(t, err)
	require.NotEqual(t, found[0].Fingerprint, other[0].Fingerprint)
	require.Equal(t, "1:"+fmt.Sprint(found[0].Column)+": databricks-token in cell 1, output 1 ["+found[0].Fingerprint+"]", found[0].String())
}
