package cli

import (
	"strings"
	"unicode"
)

// Shown is what a key or a server says, without what a terminal would obey and
// without what is not seen but changes how the rest is read.
// https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
func Shown(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}
