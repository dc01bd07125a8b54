package audit

import (
	"encoding/base64"
	"math"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// reader walks over the bytes of a record and remembers whether any of them
// was not what it had to be.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) literal(s string) {
	if !r.skip(s) {
		r.bad = true
	}
}

// skip steps over s if it comes next.
func (r *reader) skip(s string) bool {
	if len(r.b) < len(s) || string(r.b[:len(s)]) != s {
		return false
	}
	r.b = r.b[len(s):]
	return true
}

// take returns the next n bytes, or n zero bytes if there are fewer.
func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return make([]byte, n)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) number() (n uint64) {
	i := 0
	for ; i < len(r.b) && i < 19 && '0' <= r.b[i] && r.b[i] <= '9'; i++ {
		n = n*10 + uint64(r.b[i]-'0')
	}
	if i == 0 || r.b[0] == '0' {
		r.bad = true
	}
	r.b = r.b[i:]
	return n
}

func (r *reader) time() (t time.Time) {
	v := r.take(len(timeLayout))
	if v[len(v)-1] != 'Z' || v[19] != '.' || t.UnmarshalText(v) != nil {
		r.bad = true
	}
	return t
}

func (r *reader) phase() string {
	for _, p := range [...]string{phaseEvent, phaseIntent, phaseResult} {
		if r.skip(p) {
			return p
		}
	}
	r.bad = true
	return ""
}

func (r *reader) id(id *recordID) {
	for i, c := range r.take(idLen) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			r.bad = true
		}
		id[i] = c
	}
}

func (r *reader) hash(h *tlog.Hash) {
	var buf [tlog.HashSize + 1]byte // base64 of 32 bytes is decoded through 33
	// Strict: two spellings of one hash would be two spellings of one record.
	n, err := base64.StdEncoding.Strict().Decode(buf[:], r.take(44))
	if err != nil || n != tlog.HashSize {
		r.bad = true
	}
	copy(h[:], buf[:])
}

// event reads what appendEvent wrote, into e if it is not nil.
func (r *reader) event(e *Event) (typ []byte, outcome string) {
	r.literal("{")
	r.literal(typeKey)
	typ = r.text(maxType)
	if e != nil {
		e.Type = string(typ)
	}
	if !r.bad && !validType(string(typ)) {
		r.bad = true
	}
	for i := range textFields {
		f := &textFields[i]
		if len(r.b) < 2 || r.b[0] != ',' || !hasPrefix(r.b[1:], f.key) {
			continue
		}
		r.b = r.b[1+len(f.key):]
		v := r.text(f.max)
		if len(v) == 0 {
			r.bad = true // an empty field is left out
		}
		if i == 0 {
			outcome = string(v)
		}
		if e != nil {
			*f.of(e) = string(v)
		}
	}
	if !validOutcome(outcome) {
		r.bad = true
	}
	verified := r.skip("," + verifiedKey)
	var amr []string
	if r.skip("," + amrKey) {
		r.literal("[")
		for n := 0; !r.bad; n++ {
			if n == maxAMR {
				r.bad = true
			}
			if v := r.text(maxAMRValue); e != nil {
				amr = append(amr, string(v))
			}
			if !r.skip(",") {
				break
			}
		}
		r.literal("]")
	}
	var count uint64
	if r.skip("," + countKey) {
		if count = r.number(); count > math.MaxUint32 {
			r.bad = true
		}
	}
	eligible := r.skip("," + eligibleKey)
	backedUp := r.skip("," + backedUpKey)
	r.literal("}")
	if e != nil {
		e.UserVerified, e.AMR, e.SignCount = verified, amr, uint32(count)
		e.BackupEligible, e.BackupState = eligible, backedUp
	}
	return typ, outcome
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

// text reads a JSON string of at most limit bytes in the spelling of
// appendText, and returns its value.
func (r *reader) text(limit int) []byte {
	r.literal(`"`)
	for i, c := range r.b {
		switch {
		case c == '"':
			v := r.b[:i]
			r.b = r.b[i+1:]
			if i > limit {
				r.bad = true
			}
			return v
		case c < 0x20 || c > 0x7e || c == '\\':
			return r.escapedText(limit)
		}
	}
	r.bad = true
	return nil
}

// escapedText decodes generously and then compares with what appendText would
// have written, so that the two cannot disagree about which spelling is right.
func (r *reader) escapedText(limit int) []byte {
	var value []byte
	rest := r.b
	for len(rest) > 0 && rest[0] != '"' && len(value) <= limit {
		switch {
		case rest[0] != '\\':
			_, n := utf8.DecodeRune(rest)
			value = append(value, rest[:n]...)
			rest = rest[n:]
		case len(rest) >= 2 && rest[1] != 'u':
			value = append(value, rest[1])
			rest = rest[2:]
		case len(rest) >= 6:
			var c rune
			for _, d := range rest[2:6] {
				c = c<<4 | rune(unhex(d))
			}
			value = utf8.AppendRune(value, c)
			rest = rest[6:]
		default:
			r.bad = true
			return nil
		}
	}
	spelled := r.b[:len(r.b)-len(rest)]
	if len(rest) == 0 || len(value) > limit || !utf8.Valid(value) || string(appendText(nil, string(value))) != `"`+string(spelled)+`"` {
		r.bad = true
		return nil
	}
	r.b = rest[1:]
	return value
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'a' + 10
}

// appendText appends s, which is UTF-8, as a JSON string. Escaped is what JSON
// demands, and what would play tricks on the terminal or the editor in which
// an auditor reads the file: controls of both ranges, line and paragraph
// separators, marks that turn the direction of writing. The set is spelled out
// because the tables of package unicode grow with Go, and a record must not
// change its spelling when Go does.
func appendText(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', byte(c))
		case c < 0x20, 0x7f <= c && c <= 0x9f, c == 0x61c, 0x200b <= c && c <= 0x200f, 0x2028 <= c && c <= 0x202e, 0x2060 <= c && c <= 0x206f, c == 0xfeff:
			dst = append(dst, '\\', 'u', digits[c>>12&0xf], digits[c>>8&0xf], digits[c>>4&0xf], digits[c&0xf])
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return append(dst, '"')
}
