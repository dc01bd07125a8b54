package examples_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	sdk "github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks"
	"github.com/lakekey/lakekey/examples/internal/keys"
	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
)

// me holds the README's Go code, which TestREADMEGo compares and runs.
func me(ctx context.Context, issuerURL, host string, key oidc.Key, name *string) error {
	provider, err := oidc.Discover(ctx, issuerURL, oidc.Options{})
	if err != nil {
		return err
	}
	session, err := oidc.SignIn(ctx, provider, key, oidc.SignInRequest{
		ClientID: "lakekey",
		Audience: "lakekey",
	})
	if err != nil {
		return err
	}
	source, err := databricks.NewTokenSource(session, databricks.Config{
		Host:   host,
		Scopes: []string{"clusters:read"}, // there is no default
	})
	if err != nil {
		return err
	}
	strategy := databricks.NewStrategy(source)
	client, err := sdk.NewWorkspaceClient(&sdk.Config{
		Host:          source.Host(),
		Credentials:   strategy,
		HTTPTransport: strategy.Transport(nil),
	})
	if err != nil {
		return err
	}
	me, err := client.CurrentUser.Me(ctx, iam.MeRequest{})
	if err != nil {
		return err
	}
	*name = me.UserName
	return nil
}

// at holds the README's sign-in at a provider of somebody else's.
func at(ctx context.Context, provider *oidc.Provider, browser oidc.Browser) (*oidc.Session, error) {
	session, err := oidc.SignInBrowser(ctx, provider, browser, oidc.SignInRequest{
		ClientID:  "lakekey",
		Assurance: assurance.Keycloak(assurance.KeycloakOptions{ACR: "phr", Reference: "hwk"}),
	})
	return session, err
}

// asked is a browser whose person looks at the address and goes away.
type asked struct{ url *url.URL }

func (a *asked) Open(_ context.Context, address string) (err error) {
	if a.url, err = url.Parse(address); err != nil {
		return err
	}
	return errAway
}

var errAway = errors.New("nobody is there")

var indent = regexp.MustCompile(`(?m)^[ \t]+`)

func blocks(t *testing.T, language string) []string {
	t.Helper()
	return fenced(t, "../README.md", language)
}

// fenced are the blocks of a language in a page.
func fenced(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

func TestREADMEGo(t *testing.T) {
	code := blocks(t, "go")
	require.Len(t, code, 2)
	here, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	for _, block := range code {
		require.Contains(t, indent.ReplaceAllString(string(here), ""), indent.ReplaceAllString(block, ""), "the README's code must stand in this file, where it is compiled and run")
	}

	w := newWorld(t)
	key, err := (keys.Spec{Key: w.key}).Use(t.Context())
	require.NoError(t, err)
	defer key.Close()
	var name string
	require.NoError(t, me(t.Context(), w.issuer, w.host, key, &name))
	require.Equal(t, ada, name)
	require.Equal(t, 1, key.Touches())

	provider, err := oidc.Discover(t.Context(), w.issuer, oidc.Options{})
	require.NoError(t, err)
	var browser asked
	_, err = at(t.Context(), provider, &browser)
	require.ErrorIs(t, err, errAway)
	require.NotNil(t, browser.url)
	require.Equal(t, w.issuer, browser.url.Scheme+"://"+browser.url.Host, "the person is sent to the provider")
}

// shell runs one of the README's blocks as it stands there, on ports that are free.
func shell(t *testing.T, block string, replace ...string) string {
	t.Helper()
	dir := t.TempDir()
	script := strings.NewReplacer(append(replace, "go run ./examples/", bin(t)+"/",
		"8080", freePort(t), "8090", freePort(t), "kill %1 %2", "kill %1 %2; wait", "kill %1", "kill %1; wait")...).Replace(block)
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"+script)
	cmd.Dir, cmd.Env = dir, environment(dir)
	out, err := os.Create(filepath.Join(dir, "out"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	said, rerr := os.ReadFile(out.Name())
	require.NoError(t, rerr)
	require.NoError(t, err, string(said))
	sinkOf(t).listen("a command of the README", true, func() string { return string(said) })
	return string(said)
}

func TestREADMEShell(t *testing.T) {
	interpreter := python(t)
	session := blocks(t, "sh")
	require.Len(t, session, 5, "a new block needs a test")
	require.Equal(t, "go run ./examples/quickstart\n", session[0])
	require.Contains(t, shell(t, session[1], "python3", interpreter), "\n"+ada+"\n")
	repository := notebooks(t)
	said := shell(t, session[2], "~/notebooks", repository)
	require.Contains(t, said, "there are tokens")
	require.Contains(t, said, "tokens removed: 1")
	require.FileExists(t, filepath.Join(repository, ".git/hooks/pre-commit"))
	policy, err := filepath.Abs("idp/policy.yaml")
	require.NoError(t, err)
	said = shell(t, session[3], "examples/idp/policy.yaml", policy)
	require.Contains(t, said, "/enroll#")
	require.Regexp(t, `ES256 +signing`, said)
	require.Regexp(t, `ES256 +next`, said)
	require.Equal(t, "go test ./...\n", session[4], "this very run")
}

func TestREADMEQuickstart(t *testing.T) {
	out, said, code := call(t, t.TempDir(), "quickstart")
	require.Zero(t, code, said)
	require.Contains(t, out, "Touches of the key: 2")
}
