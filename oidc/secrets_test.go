package oidc_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// Everything this package hands out is printed in every way that programs print
// things, and searched for every secret of the session.
func TestSecretsDoNotPrint(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	id, err := s.IDToken(t.Context(), "another")
	require.NoError(t, err)
	access, err := exchanger(t, body(200, `{"access_token":"dapi-0123456789abcdef","token_type":"Bearer","expires_in":60}`)).Exchange(t.Context(), exchange)
	require.NoError(t, err)
	secrets := append(oidc.Secrets(s), id.Value.Reveal(), access.Value.Reveal(), subjectToken)
	require.Len(t, secrets, 4)
	secrets = append(secrets, strings.Split(id.Value.Reveal(), ".")...)

	f.idp.Inject(oidctest.Echo)
	_, echoed := s.IDToken(t.Context(), "echo")
	require.Error(t, echoed)
	f.idp.Heal()
	f.idp.Inject(oidctest.WeakACR)
	_, weak := s.IDToken(t.Context(), "weak")
	require.Error(t, weak)
	x, err := oidc.NewExchanger(local+"/t", oidc.ExchangerOptions{})
	require.NoError(t, err)

	var out bytes.Buffer
	type nested struct {
		Exported   any
		unexported any
	}
	for _, v := range []any{s, *id, id, *access, access, exchange, &exchange, f.provider, x, echoed, weak} {
		for _, w := range []any{v, nested{v, v}, &nested{v, v}, []any{v}, map[string]any{"k": v}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n", w)
			}
			text, _ := json.Marshal(w)
			out.Write(text)
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(h).Info("m", "v", w)
			}
		}
	}
	out.WriteString(oidc.Prover(s))
	printed := out.String()
	require.Greater(t, len(printed), 10_000)
	require.Contains(t, printed, "[redacted]")
	require.Contains(t, printed, s.ID(), "the session's id is no secret, and useful")
	for _, secret := range secrets {
		require.NotContains(t, printed, secret)
		require.NotContains(t, printed, fmt.Sprintf("%x", secret))
	}
	require.NotRegexp(t, `\bD:`, printed, "a private key")
	require.NotContains(t, printed, "PrivateKey")
}
