package notebook_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/notebook"
)

// What was cleaned holds nothing any more, stays as it is when it is cleaned again,
// and is JSON of the same shape.
func FuzzClean(f *testing.F) {
	for _, sample := range samples {
		f.Add([]byte(printed(quoted(strings.NewReplacer("<", "", ">", "").Replace(sample.text)))))
	}
	for _, s := range []string{
		printed(quoted([]string{"dapi", digits(32), pat()})), printed(`"\ud83d\ude00 \ud83d \u0064api` + digits(32) + `\n"`), printed(quoted(quoted(quoted(pat())))),
		"# Databricks notebook source\n" + pat(), `{"cells":{"outputs":["` + pat() + `"]}}`, `{"worksheets":[{"cells":[{"input":"` + pat() + `","outputs":[{"text":"` + pat() + `"}]}]}]}`,
		"{\"\xff\":\"\xff" + pat() + "\xff\"}", `{}`, `{"a":[]}`, `{"a":["` + mixed(60) + `","` + mixed(60) + `"]}`,
		`{"access_token":"` + mixed(40) + `","access_token":{"token":"` + mixed(40) + `"}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := notebook.NewScanner()
		found, err := s.Find(t.Context(), data)
		require.NoError(t, err)
		for _, o := range []notebook.Options{{}, {Source: true}} {
			cleaned, removed, left, err := s.Clean(t.Context(), data, o)
			if err != nil {
				require.ErrorIs(t, err, notebook.ErrNotNotebook)
				return
			}
			require.GreaterOrEqual(t, len(removed)+len(left), len(found))
			require.Equal(t, json.Valid(data), json.Valid(cleaned))
			require.Equal(t, shape(data), shape(cleaned))
			if len(removed) == 0 {
				require.Equal(t, data, cleaned)
			}
			remain, err := s.Find(t.Context(), cleaned)
			require.NoError(t, err)
			if o.Source {
				require.Empty(t, left)
				require.Empty(t, remain)
			}
			for _, r := range remain {
				require.Equal(t, notebook.Source, r.Area)
			}
			if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
				again, removed, _, err := s.Clean(t.Context(), cleaned, o)
				require.NoError(t, err)
				require.Empty(t, removed)
				require.Equal(t, cleaned, again)
			}
		}
	})
}

// shape is JSON with nothing in its strings.
func shape(data []byte) string {
	if !json.Valid(data) {
		return ""
	}
	var out []byte
	for i := 0; i < len(data); i++ {
		out = append(out, data[i])
		if data[i] == '"' {
			for i++; data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			out = append(out, '"')
		}
	}
	return string(out)
}
