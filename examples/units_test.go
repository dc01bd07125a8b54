package examples_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The units start what the program knows, print no URL into a journal, and ask
// nobody for a touch at login.
func TestKeyagentUnits(t *testing.T) {
	_, help, code := call(t, t.TempDir(), "keyagent", "-h")
	require.Zero(t, code)

	unit, err := os.ReadFile("keyagent/units/keyagent.service")
	require.NoError(t, err)
	start := regexp.MustCompile(`(?m)^ExecStart=\S+/keyagent (.*)$`).FindStringSubmatch(string(unit))
	require.NotNil(t, start)
	require.Equal(t, "-locked $KEYAGENT_FLAGS", start[1])
	require.Contains(t, string(unit), "\nStandardOutput=null\n")
	for line := range strings.Lines(string(unit)) {
		require.Regexp(t, `^(#.*|\[(Unit|Service|Install)\]|[A-Z]\w+=.+|)\n$`, line)
	}

	f, err := os.Open("keyagent/units/io.github.lakekey.keyagent.plist")
	require.NoError(t, err)
	defer f.Close()
	var words []string
	decoder := xml.NewDecoder(f)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			words = append(words, string(text))
		}
	}
	require.Contains(t, words, "-locked")
	require.Contains(t, words, "/dev/null")
	for _, word := range words {
		if strings.HasPrefix(word, "-") {
			require.Contains(t, help, "\n  "+word, "not a flag")
		}
	}
}
