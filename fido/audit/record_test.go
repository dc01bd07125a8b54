package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido/audit"
)

// filled returns an event of which every text is s.
func filled(s string) audit.Event {
	var e audit.Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.String {
			f.SetString(s)
		}
	}
	e.Type, e.Outcome = "a", audit.Denied
	e.AMR = slices.Repeat([]string{s}, 16)
	e.UserVerified, e.BackupEligible, e.BackupState, e.SignCount = true, true, true, math.MaxUint32
	return e
}

// texts returns what a JSON reader finds in the event of a line.
func texts(t testing.TB, line []byte) map[string]any {
	t.Helper()
	var l struct {
		Event map[string]any `json:"event"`
	}
	require.NoError(t, json.Unmarshal(line, &l), "%s", line)
	return l.Event
}

func TestEveryFieldOfAnEventIsRecordedAndReadBack(t *testing.T) {
	for _, s := range []string{"x", "\"\\\u202e é"} {
		e := filled(s)
		line, err := audit.Line(e)
		require.NoError(t, err)
		require.Len(t, texts(t, line), reflect.TypeFor[audit.Event]().NumField())
		require.Equal(t, e, audit.EventOf(t, line))
	}
}

// Whatever a stranger puts into a field, the record is written, is no longer
// than a record may be, and a reader of JSON gets the text back.
func TestHostileTexts(t *testing.T) {
	for name, s := range map[string]string{
		"newline":         "a\nb\r\nc",
		"quotes":          `a"b\c`,
		"NUL":             "a\x00b",
		"terminal":        "\x1b[2J\u009b31m\x7f",
		"bidi":            "a\u202eb\u2066c",
		"separators":      "a\u2028b\ufeffc",
		"ordinary":        "Ådå 日本語 😀 <script>&",
		"replacement":     "\uFFFD",
		"html and slash":  "</a>",
		"forged next one": "x\"},\"crc\":\"00000000\"}\n{\"v\":1",
	} {
		t.Run(name, func(t *testing.T) {
			line, err := audit.Line(filled(s))
			require.NoError(t, err)
			require.Equal(t, s, texts(t, line)["user"])
			require.NotContains(t, string(line), "\n")
			for _, c := range string(line) {
				require.False(t, c < 0x20 || 0x7f <= c && c < 0xa0 || c == 0x2028 || c == 0x202e || c == 0x2066 || c == 0xfeff, "%U stands raw", c)
			}
		})
	}
	for name, s := range map[string]string{
		"long":            strings.Repeat("a", 1<<20),
		"long escapes":    strings.Repeat("\x01", 1<<20),
		"long characters": strings.Repeat("😀", 1<<18),
		"not UTF-8":       "a\xff\xfe",
		"half characters": strings.Repeat("\xe2\x82", 1<<18),
	} {
		t.Run(name, func(t *testing.T) {
			line, err := audit.Line(filled(s))
			require.NoError(t, err)
			require.LessOrEqual(t, len(line), audit.MaxLine)
			got := texts(t, line)["user"].(string)
			require.True(t, utf8.ValidString(got))
			require.Regexp(t, `…#[0-9a-f]{16}$`, got)
			other, err := audit.Line(filled(s + "b"))
			require.NoError(t, err)
			require.NotEqual(t, got, texts(t, other)["user"], "what is cut must stay different")
		})
	}
}

func FuzzEventSurvivesJSON(f *testing.F) {
	f.Add("", "token.mint")
	f.Add("a\"\\\n\x00\u202e\u2028é😀\x7f\u0085", "a")
	f.Add("\xff\xed\xa0\x80", "Type")
	f.Fuzz(func(t *testing.T, s, typ string) {
		e := filled(s)
		e.Type = typ
		line, err := audit.Line(e)
		if err != nil {
			if strings.Trim(typ, "abcdefghijklmnopqrstuvwxyz0123456789._-") == "" && typ != "" && len(typ) <= 64 {
				t.Fatalf("a good event was refused: %v", err)
			}
			return
		}
		var got any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if utf8.ValidString(s) && len(s) <= 16 && s != "" && texts(t, line)["user"] != s {
			t.Fatalf("%q became %q", s, texts(t, line)["user"])
		}
	})
}

// A log that was mutated in any way is refused, or is the same log.
func FuzzVerify(f *testing.F) {
	r := record(f, 24, nil)
	good, err := r.verify(r.log)
	require.NoError(f, err)
	f.Add(uint32(0), uint32(0), []byte{}, false)
	f.Add(uint32(700), uint32(1), []byte("x"), true)
	f.Add(uint32(0), uint32(len(r.lines[0])+1), []byte{}, false)
	f.Add(uint32(len(r.log)), uint32(0), []byte("torn"), false)
	f.Add(uint32(len(r.log)), uint32(0), append(slices.Clone(r.lines[3]), '\n'), false)
	f.Add(uint32(100), uint32(9), make([]byte, 40), false)
	f.Fuzz(func(t *testing.T, at, remove uint32, insert []byte, reseal bool) {
		from := min(int(at), len(r.log))
		to := min(from+int(remove), len(r.log))
		log := slices.Concat(r.log[:from], insert, r.log[to:])
		if reseal {
			lines := bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
			for i, l := range lines {
				if len(l) > 40 {
					lines[i] = audit.Reseal(l)
				}
			}
			log = join(lines)
		}
		rep, err := r.verify(log)
		switch te := (*audit.TamperError)(nil); {
		case err == nil:
			// What follows the last record of the checkpoint may be torn, no more.
			if rep.Root != good.Root || rep.Records != good.Records || !bytes.HasPrefix(log, r.log) {
				t.Fatalf("a changed log verifies: %+v", rep)
			}
		case !errors.As(err, &te):
			t.Fatalf("not a TamperError: %v", err)
		case te.Record == 0 || te.Last < te.Record || te.Line == 0:
			t.Fatalf("nobody is named: %#v", te)
		}
	})
}

func FuzzVerifyBytes(f *testing.F) {
	r := record(f, 6, nil)
	f.Add(r.log, r.checkpoint)
	f.Add([]byte{}, r.checkpoint)
	f.Fuzz(func(t *testing.T, log, cp []byte) {
		rep, err := audit.Verify(bytes.NewReader(log), r.key, audit.VerifyOptions{Checkpoints: [][]byte{cp}})
		if (rep == nil) == (err == nil) {
			t.Fatalf("report %v and error %v", rep, err)
		}
		if err == nil && !bytes.HasPrefix(log, r.log) {
			t.Fatal("a log that was never written verifies")
		}
	})
}
