package provider_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/examples/internal/provider"
)

func TestOthersFile(t *testing.T) {
	file := "../../idp/providers.json"
	example, err := os.ReadFile(file)
	require.NoError(t, err)
	others, watched, err := provider.Others(example)
	require.NoError(t, err)
	require.Equal(t, []int{2, 3}, []int{others, watched})
	p, err := provider.Open(t.Context(), provider.Config{URL: "http://localhost:8080", DB: "memory:", Providers: file})
	require.NoError(t, err)
	require.NoError(t, p.Close())

	hash := strings.Repeat("0a", 32)
	for text, problem := range map[string]string{
		``:                   "",
		`[]`:                 "",
		`{}`:                 "it lists nobody",
		`{"providers":[]}`:   "it lists nobody",
		`{"providers":{}}`:   "a list of objects",
		`{"clients":[]}`:     "one member, providers",
		`{"providers":[{}]}`: "name must be",
		`{"providers":[{"name":"../okta","jwks_uri":"https://a.example/k"}]}`:                                               "name must be",
		`{"providers":[{"name":"okta"}]}`:                                                                                   "where are its certificates?",
		`{"providers":[{"name":"okta","jwksuri":"https://a.example/k"}]}`:                                                   `unknown member "jwksuri"`,
		`{"providers":[{"name":"okta","name":"okta","jwks_uri":"https://a.example/k"}]}`:                                    "",
		`{"providers":[{"name":"okta","jwks_uri":"https://a.example/k"},{"name":"okta","jwks_uri":"https://a.example/k"}]}`: "another one has that name",
		`{"providers":[{"name":"okta","jwks_uri":"https://a.example/k","events":{"authorization_sha256":"hunter2"}}]}`:      "the SHA-256 of the whole",
		`{"providers":[{"name":"okta","jwks_uri":"https://a.example/k","events":{"secret":"x"}}]}`:                          "unknown member",
	} {
		_, _, err := provider.Others([]byte(text))
		require.ErrorContains(t, err, problem, text)
	}
	// What only the parts can tell.
	for text, problem := range map[string]string{
		`{"providers":[{"name":"okta","jwks_uri":"http://a.example/k"}]}`: "https",
		`{"providers":[{"name":"okta","saml_metadata":"https://a.example/k","issuer":"https://a.example","events":{"audience":"x","authorization_sha256":"` + hash + `"}}]}`: "KeysURL",
		`{"providers":[{"name":"okta","jwks_uri":"https://a.example/k","events":{"audience":"x"}}]}`:                                                                         "needs an Issuer",
	} {
		file := t.TempDir() + "/providers.json"
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := provider.Open(t.Context(), provider.Config{URL: "http://localhost:8080", DB: "memory:", Providers: file})
		require.ErrorContains(t, err, problem, text)
		require.ErrorContains(t, err, "-providers")
	}
}

// Whatever the file holds, what is taken of it is named and watched.
func FuzzOthers(f *testing.F) {
	example, err := os.ReadFile("../../idp/providers.json")
	require.NoError(f, err)
	f.Add(example)
	f.Add([]byte(`{"providers":[{"name":"a","saml_metadata":"x"}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		others, watched, err := provider.Others(file)
		if err != nil {
			require.Zero(t, others)
			return
		}
		require.Positive(t, others)
		require.GreaterOrEqual(t, watched, others, "somebody is listed whom nobody watches")
	})
}
