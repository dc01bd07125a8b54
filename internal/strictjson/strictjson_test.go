package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/strictjson"
)

func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"a":1,"b":[true,false,null,-0.5e+3,"\u00e4\n"]} `: true,
		`"just a string"`:        true,
		`[]`:                     true,
		`{}`:                     true,
		`{"a":1,"a":1}`:          false,
		`{"id":1,"ID":2}`:        false,
		`{"kid":1,"\u212aid":2}`: false, // the Kelvin sign folds to k
		`{"a":1,"\u0061":2}`:     false,
		`[{"x":{"a":1,"a":1}}]`:  false,
		`{"a":1}{"a":1}`:         false,
		`{"a":1} x`:              false,
		`{"a":01}`:               false,
		`{"a":1,}`:               false,
		`[1,]`:                   false,
		`{"a" 1}`:                false,
		`{a:1}`:                  false,
		"{\"a\":\"\n\"}":         false,
		`"\x"`:                   false,
		`"\u12g4"`:               false,
		`"open`:                  false,
		`tru`:                    false,
		`-`:                      false,
		`1.`:                     false,
		`1e`:                     false,
		``:                       false,
		"\"\xff\"":               false,
		strings.Repeat("[", 30) + strings.Repeat("]", 30): true,
		strings.Repeat("[", 1000):                         false,
		`{` + strings.Repeat(`"a":1,`, 1000) + `"b":1}`:   false,
	} {
		err := strictjson.Check([]byte(text))
		require.Equal(t, ok, err == nil, "%.60s: %v", text, err)
	}
}

func TestManyMembersAreRefusedInLinearTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"x":0`)
	for i := range 300 {
		b.WriteString(`,"` + strings.Repeat("y", i+1) + `":0`)
	}
	b.WriteString("}")
	require.ErrorContains(t, strictjson.Check([]byte(b.String())), "more than 256 members")
}

func TestMembers(t *testing.T) {
	got := map[string]string{}
	collect := func(name, value []byte) error { got[string(name)] = string(value); return nil }
	require.NoError(t, strictjson.Members([]byte(` {"a": {"b":1} , "\u0063":"d"} `), collect))
	require.Equal(t, map[string]string{"a": `{"b":1}`, "c": `"d"`}, got)
	require.Error(t, strictjson.Members([]byte(`[1]`), collect))
	stop := errors.New("stop")
	require.ErrorIs(t, strictjson.Members([]byte(`{"a":1}`), func(_, _ []byte) error { return stop }), stop)
}

func TestBase64URL(t *testing.T) {
	got, err := strictjson.Base64URL([]byte(`"_-8"`))
	require.NoError(t, err)
	require.Equal(t, []byte{0xff, 0xef}, got)
	for _, bad := range []string{`"_-9"`, `"_-8="`, `"_-8\n"`, `"/+8"`, `1`, `"`, ``, `null`, `"\u005f-8"`} {
		_, err := strictjson.Base64URL([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{`"a"`: "a", `"\u00e4\""`: `ä"`} {
		got, err := strictjson.Text([]byte(value))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{`1`, `null`, ``} {
		_, err := strictjson.Text([]byte(bad))
		require.Error(t, err)
	}
}

// What Check accepts, encoding/json accepts and does not lose a member of.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":1,"A":2}`, `{"a":{"b":[1,"\ud800"]}}`, `[1e5,-0]`, "\"\\u0000\"", `{"":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strictjson.Check(data) != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("accepted %q, which is not JSON", data)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil {
			return
		}
		n := 0
		if err := strictjson.Members(data, func(_, _ []byte) error { n++; return nil }); err != nil && len(members) > 0 {
			t.Fatalf("Members refuses what Check accepts: %v", err)
		}
		if n != len(members) {
			t.Fatalf("%d members, encoding/json sees %d in %q", n, len(members), data)
		}
	})
}
