package notebook

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"
)

// depth is how often a token may be wrapped: JSON in JSON, base64 in that.
const depth = 3

// search finds the tokens in a text, as it stands and behind what hides them.
func search(text []byte) []span { return merge(look(text, depth)) }

func look(text []byte, depth int) []span {
	all := match(text)
	if depth == 0 {
		return all
	}
	if v := plain(text); v != nil {
		for _, s := range look(v.text, depth-1) {
			all = append(all, span{v.from[s.start], v.to[s.end-1], s.kind})
		}
	}
	for _, r := range runs(text) {
		if s := lookEncoded(text[r.start:r.end], depth); s != "" {
			all = append(all, span{r.start, r.end, s})
		}
	}
	return all
}

// merge sorts spans and joins those that overlap under the name of the first.
func merge(all []span) (joined []span) {
	slices.SortStableFunc(all, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	for _, s := range all {
		if n := len(joined); n > 0 && s.start < joined[n-1].end {
			joined[n-1].end = max(joined[n-1].end, s.end)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// view is another reading of a text. Its byte i stands for the bytes from[i] to to[i]
// of the text.
type view struct {
	text     []byte
	from, to []int
}

// plain reads a text without a terminal's escape sequences and with the escapes of
// JSON and Python resolved. It is nil if there are none.
func plain(text []byte) *view {
	if !bytes.ContainsAny(text, "\x1b\\") {
		return nil
	}
	v := &view{text: make([]byte, 0, len(text)), from: make([]int, 0, len(text)), to: make([]int, 0, len(text))}
	for i := 0; i < len(text); {
		decoded, n := text[i:i+1], 1
		switch text[i] {
		case 0x1b:
			decoded, n = nil, escapeSequence(text[i:])
		case '\\':
			decoded, n = escape(text[i:])
		}
		for _, c := range decoded {
			v.text, v.from, v.to = append(v.text, c), append(v.from, i), append(v.to, i+n)
		}
		i += n
	}
	return v
}

// escapeSequence is the length of a control sequence (ECMA-48, 5.4) at the beginning
// of text.
func escapeSequence(text []byte) int {
	if len(text) < 2 || text[1] != '[' {
		return 1
	}
	i := 2
	for i < len(text) && text[i] >= 0x20 && text[i] < 0x40 {
		i++
	}
	return min(i+1, len(text))
}

// escape resolves the backslash escape at the beginning of text.
func escape(text []byte) (decoded []byte, n int) {
	if len(text) < 2 {
		return text, 1
	}
	digits := 0
	switch c := text[1]; c {
	case 'n', 'r', 't', 'b', 'f':
		return []byte{map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f'}[c]}, 2
	case '\n':
		return nil, 2 // Python and shells go on in the next line
	case 'u':
		digits = 4
	case 'x':
		digits = 2
	case '"', '\'', '\\', '/':
		return text[1:2], 2
	default:
		return text[:1], 1
	}
	if len(text) < 2+digits {
		return text[:1], 1
	}
	code, err := strconv.ParseUint(string(text[2:2+digits]), 16, 32)
	if err != nil {
		return text[:1], 1
	}
	return utf8.AppendRune(nil, rune(code)), 2 + digits
}

const (
	shortestRun = 40      // of base64: no token is shorter once it is encoded
	alignments  = 4 << 10 // a run up to this long may have something before its beginning
)

var inBase64 = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_" {
		in[c] = true
	}
	return in
}()

// runs are the parts of a text that may be base64: each line, and lines of one length
// with what follows them, as MIME and PEM wrap it.
func runs(text []byte) (all []span) {
	var wrapped span
	width := 0 // of the wrapped lines so far
	for i := 0; i < len(text); {
		if !inBase64[text[i]] {
			i++
			continue
		}
		start := i
		for i < len(text) && inBase64[text[i]] {
			i++
		}
		end := i
		for i < len(text) && text[i] == '=' && i < end+2 {
			i++
		}
		if width > 0 && follows(text[wrapped.end:start]) && end-start <= width {
			wrapped.end = i
			if end-start < width || i > end {
				all = append(all, wrapped)
				width = 0
			}
		} else {
			if width > 0 && wrapped.end-wrapped.start > width+2 {
				all = append(all, wrapped)
			}
			wrapped, width = span{start: start, end: i}, end-start
			if width < shortestRun || i > end {
				width = 0
			}
		}
		if end-start >= shortestRun {
			all = append(all, span{start: start, end: i})
		}
	}
	if width > 0 && wrapped.end-wrapped.start > width+2 {
		all = append(all, wrapped)
	}
	return all
}

func follows(between []byte) bool {
	return string(between) == "\n" || string(between) == "\r\n" || string(between) == `\n`
}

// lookEncoded returns the kind of a token that is found in a run once it is decoded.
func lookEncoded(run []byte, depth int) string {
	symbols := make([]byte, 0, len(run))
	for i := 0; i < len(run); i++ {
		switch c := run[i]; c {
		case '-':
			symbols = append(symbols, '+')
		case '_':
			symbols = append(symbols, '/')
		case '\\':
			i++ // and the n behind it
		case '\r', '\n', '=':
		default:
			symbols = append(symbols, c)
		}
	}
	shifts := 1
	if len(symbols) <= alignments {
		shifts = 4
	}
	for shift := range min(shifts, len(symbols)) {
		part := symbols[shift:]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		decoded := make([]byte, base64.RawStdEncoding.DecodedLen(len(part)))
		if _, err := base64.RawStdEncoding.Decode(decoded, part); err != nil {
			continue
		}
		if found := look(decoded, depth-1); len(found) > 0 {
			return found[0].kind
		}
	}
	return ""
}
