package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/secret"
)

const canary = "canary-7f3a9c"

// everyWay prints v in every way that fmt, encoding/json and log/slog know, as
// it is and nested, and returns all that came out.
func everyWay(v any) string {
	var out bytes.Buffer
	nested := []any{v, &v, []any{v}, map[string]any{"k": v}, struct{ Exported any }{v}, struct{ hidden any }{v}, fmt.Errorf("wrapping: %v", v)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08b", "%e", "%U", "%c", "%o"} {
		for _, n := range nested {
			fmt.Fprintf(&out, verb+"\n", n)
		}
	}
	fmt.Fprintln(&out, nested...)
	for _, n := range nested {
		if b, err := json.Marshal(n); err == nil {
			out.Write(b)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		log := slog.New(h)
		for _, n := range nested {
			log.Info("m", "attr", n, slog.Group("g", "inner", n))
		}
		log.With("with", v).Error(fmt.Sprint(v))
	}
	return out.String()
}

// spellings are the forms in which a text could come out.
func spellings(text string) []string {
	return []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), strings.Trim(fmt.Sprint([]byte(text)), "[]")}
}

func requireSilent(t *testing.T, text string, v any) {
	t.Helper()
	out := everyWay(v)
	require.NotEmpty(t, out)
	for _, s := range spellings(text) {
		require.NotContains(t, out, s)
	}
}

func TestValueDoesNotPrint(t *testing.T) {
	v := secret.New(canary)
	type unexported struct{ v secret.Value }
	type exported struct {
		V secret.Value
		P *secret.Value
		S []secret.Value
		M map[string]secret.Value
	}
	for _, c := range []any{v, &v, unexported{v}, &unexported{v}, exported{v, &v, []secret.Value{v}, map[string]secret.Value{"k": v}}, []unexported{{v}}, [1]unexported{{v}}} {
		requireSilent(t, canary, c)
	}
	require.Contains(t, everyWay(v), "[redacted]")
}

// The test itself must be able to fail: a text that is not in a Value is found.
func TestEveryWayFindsWhatIsPrinted(t *testing.T) {
	type leaky string
	require.Contains(t, everyWay(struct{ hidden leaky }{canary}), canary)
	require.Contains(t, everyWay(map[string]any{"token": canary}), canary)
}

func TestValue(t *testing.T) {
	var zero secret.Value
	require.True(t, zero.IsZero())
	require.True(t, secret.New("").IsZero())
	require.Empty(t, zero.Reveal())
	v := secret.New(canary)
	require.False(t, v.IsZero())
	require.Equal(t, canary, v.Reveal())
	require.True(t, v.Equal(secret.New(canary)))
	require.False(t, v.Equal(secret.New(canary+"x")))
	require.False(t, v.Equal(zero))
	require.True(t, zero.Equal(secret.New("")))
}
