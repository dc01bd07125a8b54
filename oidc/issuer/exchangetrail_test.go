package issuer_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Neither the log nor the audit trail gets to know what somebody could use.
func TestNoSecretsOfAgentsInLogs(t *testing.T) {
	g := newAgents(t)
	subject, refresh := g.hand(t, "assistant")
	secrets := []string{subject, refresh}
	keep := func(form url.Values, a answer) answer {
		secrets = append(secrets, form.Get("client_assertion"), form.Get("actor_token"), a.text("access_token"), a.text("refresh_token"))
		return a
	}
	form := g.exchangeForm("assistant", subject)
	keep(form, post(t, g.p, tokenURL, form))
	keep(form, post(t, g.p, tokenURL, form))
	form = g.exchangeForm("assistant", subject, "audience", "lake")
	keep(form, post(t, g.p, tokenURL, form))
	next := keep(url.Values{}, g.refresh(t, refresh, "audience", "lake"))
	keep(url.Values{}, g.refresh(t, next.text("refresh_token"), "audience", "lake"))
	g.p.pass(2 * time.Minute)
	g.refresh(t, refresh).refused(t, 400, "invalid_grant")
	g.p.SetFailPoint(func(at string) {
		if at == "exchange checked" {
			require.NoError(t, g.p.log.Close())
		}
	})
	other, _ := g.hand(t, "helper")
	records, err := json.Marshal(g.p.records(t))
	require.NoError(t, err)
	form = g.exchangeForm("helper", other)
	keep(form, post(t, g.p, tokenURL, form)).refused(t, 503, "temporarily_unavailable")
	secrets = append(secrets, other)
	require.NotEmpty(t, g.log.String())
	found := 0
	for _, s := range secrets {
		if s == "" {
			continue
		}
		found++
		require.NotContains(t, string(records), s)
		require.NotContains(t, g.log.String(), s)
	}
	require.GreaterOrEqual(t, found, 12)
}
