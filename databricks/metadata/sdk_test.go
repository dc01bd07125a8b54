package metadata_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/config"
	"github.com/lakekey/lakekey/databricks/metadata"
	"github.com/lakekey/lakekey/oidc"
	"github.com/stretchr/testify/require"
)

// sdkConfig is what the SDK makes of the three environment variables.
func (s *service) sdkConfig() *config.Config {
	return &config.Config{
		Host: workspace, AuthType: "metadata-service", MetadataServiceURL: s.url,
		Loaders:              []config.Loader{config.ConfigAttributes},
		HostMetadataResolver: noHostMetadata,
	}
}

func TestMain(m *testing.M) {
	for _, v := range os.Environ() { // a developer's own must not reach the tests
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "DATABRICKS_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

func TestUnmodifiedSDK(t *testing.T) {
	s := newService(t, metadata.Options{})
	r, err := http.NewRequest(http.MethodGet, workspace+"/api", nil)
	require.NoError(t, err)
	require.NoError(t, s.sdkConfig().Authenticate(r))
	require.Equal(t, "Bearer secret-token", r.Header.Get("Authorization"))
	token, err := s.sdkConfig().GetTokenSource().Token(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2000000000, token.Expiry.Unix())
}

// What a person has to do is in the SDK's error, and comes without the retries
// that would make a notebook cell hang.
func TestUnmodifiedSDKShowsWhatToRun(t *testing.T) {
	const command = "keyagent -issuer https://idp.example:14290"
	for _, c := range []struct {
		command string
		err     error
		says    string
	}{
		{"keyagent -key usb", &oidc.LoginRequiredError{Reason: "over"}, "run: keyagent -key usb"},
		{command, &oidc.LoginRequiredError{Reason: "over"}, "run: keyagent, with the flags"},
		{"", &oidc.ExchangeError{Status: 429, Description: "Rate limit: too many requests"}, "not now"},
		{"", &oidc.ExchangeError{Status: 503}, "try again"},
	} {
		s := newService(t, metadata.Options{Command: c.command})
		s.source.set(func(s *source) { s.err = c.err })
		r, err := http.NewRequest(http.MethodGet, workspace+"/api", nil)
		require.NoError(t, err)
		before := time.Now()
		require.ErrorContains(t, s.sdkConfig().Authenticate(r), c.says)
		require.EqualValues(t, 1, s.asked.Load(), "the SDK asked once")
		require.Less(t, time.Since(before), 9*time.Second, "the SDK gives up after 10 s")
	}
}
