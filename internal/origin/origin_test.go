package origin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/lakekey/lakekey/internal/origin"
	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"dbc-1.cloud.databricks.com":                   "https://dbc-1.cloud.databricks.com",
		"https://DBC-1.Cloud.Databricks.com/":          "https://dbc-1.cloud.databricks.com",
		"HTTPS://dbc-1.cloud.databricks.com:443":       "https://dbc-1.cloud.databricks.com",
		"https://dbc-1.cloud.databricks.com./?o=123#x": "https://dbc-1.cloud.databricks.com",
		"https://dbc-1.cloud.databricks.com/sql/a":     "https://dbc-1.cloud.databricks.com",
		"adb-1.2.azuredatabricks.net:8443":             "https://adb-1.2.azuredatabricks.net:8443",
		"https://a.example:08443":                      "https://a.example:8443",
		"http://localhost:8080":                        "http://localhost:8080",
		"http://LOCALHOST:80/":                         "http://localhost",
		"http://127.0.0.1:9":                           "http://127.0.0.1:9",
		"http://127.8.8.8":                             "http://127.8.8.8",
		"http://[::1]:9":                               "http://[::1]:9",
		"http://[0:0::1]":                              "http://[::1]",
		"http://[::ffff:127.0.0.1]:9":                  "http://127.0.0.1:9",
		"https://[2001:DB8::1]":                        "https://[2001:db8::1]",
		"https://xn--bcher-kva.example":                "https://xn--bcher-kva.example",
	} {
		got, err := origin.Parse(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "https://", "https:///path", "ftp://a.example", "file:///etc/passwd", "javascript://a.example",
		"http://dbc-1.cloud.databricks.com", "http://10.0.0.1", "http://localhost.evil.example", "http://127.0.0.1.evil.example",
		"https://user@a.example", "https://user:password@a.example", "https://a.example@evil.example",
		"https://a.example:", "https://a.example:0", "https://a.example:65536", "https://a.example:x",
		"https://bücher.example", "https://a..example", "https://.example", "https://a b.example", "https://a.example\\@evil.example",
		"https://a%2eexample", "https://[fe80::1%25eth0]", "https://2130706433", "https://0x7f000001", "http://127.1", "https://1.2.3",
		"https://" + strings.Repeat("a", 64) + ".example", "https://" + strings.Repeat("a.", 130) + "example",
	} {
		got, err := origin.Parse(in)
		require.Error(t, err, "%q became %q", in, got)
		require.Empty(t, got)
		require.NotContains(t, err.Error(), "password@")
	}
}

// The result must be a fixed point, and mean to net/url, which the HTTP client
// uses, exactly the server that the input means to it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a.example", "https://a.example:443/x?y#z", "http://[::1]:80", "http://localhost:1", "https://u@h", "https://a.example\t", "https:a.example", "//a.example", "https://1.2.3.4.", "https://[::ffff:7f00:1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := origin.Parse(in)
		if err != nil {
			require.Empty(t, got)
			return
		}
		again, err := origin.Parse(got)
		require.NoError(t, err)
		require.Equal(t, got, again)

		u, err := url.Parse(got)
		require.NoError(t, err)
		require.Nil(t, u.User)
		require.Empty(t, u.Path+u.RawQuery+u.Fragment+u.Opaque)
		require.Equal(t, got, u.Scheme+"://"+u.Host)
		if u.Scheme != "https" {
			require.Equal(t, "http", u.Scheme)
			require.True(t, origin.Loopback(u.Hostname()), got)
		}
		if !strings.Contains(in, "://") {
			in = "https://" + in
		}
		raw, err := url.Parse(in)
		require.NoError(t, err)
		if !strings.Contains(raw.Host, "[") && !strings.HasSuffix(raw.Hostname(), ".") {
			require.True(t, strings.EqualFold(raw.Hostname(), u.Hostname()), "%q became %q", in, got)
		}
	})
}
