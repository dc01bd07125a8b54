package label_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/internal/label"
)

func TestOf(t *testing.T) {
	for said, shown := range map[string]string{
		"":                                    "",
		"YubiKey 5 NFC":                       "YubiKey 5 NFC",
		"Clé d'Ada – 鍵":                       "Clé d'Ada – 鍵",
		"\x1b[2J\x1b]0;owned\aKey":            "[2J]0;ownedKey",
		"bank.example\r\nTouch the key":       "bank.exampleTouch the key",
		"moc.\u202eelpmaxe":                   "moc.elpmaxe",
		"exam\u200bple\u2066.org\u2069\ufeff": "example.org",
		"a\u00a0b\u2028c\u0085d\x7f":          "abcd",
		"half \xff of it":                     "half  of it",
	} {
		require.Equal(t, shown, label.Of(said), "%q", said)
	}
}

func FuzzOf(f *testing.F) {
	f.Add("Key\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		shown := label.Of(s)
		require.False(t, strings.ContainsFunc(shown, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }))
		require.Equal(t, shown, label.Of(shown))
		require.LessOrEqual(t, len(shown), len(s))
	})
}
