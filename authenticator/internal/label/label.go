package label

import (
	"strings"
	"unicode"
)

// Of is s without what a terminal would obey, and without what is not seen but
// changes how the rest is read: control characters, line breaks, marks of direction
// and spaces without width (Unicode Technical Report 36 §3.2 has what they are good
// for). The only space that is left is U+0020.
// https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
func Of(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}
