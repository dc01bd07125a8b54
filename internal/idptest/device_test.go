package idptest_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/idptest"
)

func TestDeviceCodes(t *testing.T) {
	for name, c := range map[string]struct {
		start func(*testing.T) *idptest.Provider
		scope string
	}{
		"panva": {func(t *testing.T) *idptest.Provider { return &idptest.Panva(t, idptest.PanvaOptions{}).Provider }, "openid"},
		"dex":   {func(t *testing.T) *idptest.Provider { return idptest.Dex(t, idptest.DexOptions{}) }, "openid"},
		// The example forgets who approved once it is asked for an ID token.
		"zitadel": {func(t *testing.T) *idptest.Provider { return idptest.Zitadel(t) }, "offline_access"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.start(t)
			m := discover(t, p)
			device := post(t, m.DeviceAuthorizationEndpoint, p.Device, url.Values{"scope": {c.scope}})
			redeem := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device.DeviceCode}}
			require.Equal(t, "authorization_pending", post(t, m.TokenEndpoint, p.Device, redeem).Error)
			visitor, err := p.Visit()
			require.NoError(t, err)
			require.NoError(t, visitor.Approve(t.Context(), device.Verification, device.UserCode))
			tokens := post(t, m.TokenEndpoint, p.Device, redeem)
			require.NotEmpty(t, tokens.AccessToken, tokens.Error)
			require.Equal(t, c.scope == "openid", tokens.IDToken != "")
		})
	}
}
