package launch_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/launch"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// buffer is written by two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestWhereTheBrowserIs(t *testing.T) {
	for name, c := range map[string]struct {
		system string
		vars   map[string]string
		first  string // "": nothing to run
	}{
		"a desktop":           {"linux", map[string]string{"DISPLAY": ":0"}, "xdg-open"},
		"Wayland":             {"linux", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, "xdg-open"},
		"a server":            {"linux", nil, ""},
		"BROWSER":             {"linux", map[string]string{"BROWSER": "firefox --private-window %s:w3m", "DISPLAY": ":0"}, "firefox --private-window %s"},
		"an editor's window":  {"linux", map[string]string{"BROWSER": "/vscode/bin/helpers/browser.sh", "SSH_CONNECTION": "x"}, "/vscode/bin/helpers/browser.sh"},
		"WSL":                 {"linux", map[string]string{"WSL_DISTRO_NAME": "Debian"}, "wslview"},
		"WSL with a display":  {"linux", map[string]string{"WSL_INTEROP": "/run/WSL/1_interop", "DISPLAY": ":0"}, "wslview"},
		"macOS":               {"darwin", nil, "open"},
		"macOS over SSH":      {"darwin", map[string]string{"SSH_CONNECTION": "x"}, ""},
		"Windows":             {"windows", nil, "rundll32.exe url.dll,FileProtocolHandler"},
		"Windows over SSH":    {"windows", map[string]string{"SSH_TTY": "x"}, ""},
		"an empty BROWSER":    {"linux", map[string]string{"BROWSER": " : "}, ""},
		"a path with a drive": {"windows", map[string]string{"BROWSER": `C:\firefox.exe`}, `C:\firefox.exe`},
	} {
		t.Run(name, func(t *testing.T) {
			commands := launch.Commands(launch.On(launch.New(environment(c.vars), nil, &buffer{}), c.system))
			if c.first == "" {
				require.Empty(t, commands)
				return
			}
			require.NotEmpty(t, commands)
			require.Equal(t, c.first, strings.Join(commands[0], " "))
		})
	}
}

// script makes a program that writes its arguments to a file, one on a line.
func script(t *testing.T, status int) (program, out string) {
	t.Helper()
	dir := t.TempDir()
	program, out = filepath.Join(dir, "browser"), filepath.Join(dir, "out")
	text := fmt.Sprintf("#!/bin/sh\nfor a in \"$@\"; do echo \"$a\"; done >>'%s'\nexit %d\n", out, status)
	require.NoError(t, os.WriteFile(program, []byte(text), 0o700))
	return program, out
}

// The address reaches the command as one argument, whatever is in it.
func TestNoShellReadsTheAddress(t *testing.T) {
	if os.PathSeparator == '\\' {
		return // no scripts of this kind
	}
	hostile := "https://idp.example/authorize?a=$(touch+/tmp/x)&b=`id`&c=';rm+-rf+/;'&d=%22%7C&e=%s"
	for name, template := range map[string]string{"appended": "%[1]s", "placed": "%[1]s --new %%s --last", "inside": "%[1]s --url=%%s"} {
		t.Run(name, func(t *testing.T) {
			program, out := script(t, 0)
			said := &buffer{}
			b := launch.New(environment(map[string]string{"BROWSER": fmt.Sprintf(template, program)}), nil, said)
			require.NoError(t, b.Open(t.Context(), hostile))
			got, err := os.ReadFile(out)
			require.NoError(t, err)
			want := map[string]string{"appended": hostile, "placed": "--new\n" + hostile + "\n--last", "inside": "--url=" + hostile}[name]
			require.Equal(t, want+"\n", string(got))
			require.Contains(t, said.String(), hostile, "the person cannot use another browser")
		})
	}
}

// A browser that fails makes room for the next, and in the end for the person.
func TestBrowsersThatFail(t *testing.T) {
	if os.PathSeparator == '\\' {
		return
	}
	bad, tried := script(t, 3)
	good, opened := script(t, 0)
	said := &buffer{}
	b := launch.New(environment(map[string]string{"BROWSER": "/no/such/browser:" + bad + ":" + good}), nil, said)
	require.NoError(t, b.Open(t.Context(), "https://idp.example/"))
	require.FileExists(t, tried)
	require.FileExists(t, opened)
	require.NotContains(t, said.String(), "No browser")

	b = launch.New(environment(map[string]string{"BROWSER": bad}), nil, said)
	require.NoError(t, b.Open(t.Context(), "https://idp.example/"))
	require.Contains(t, said.String(), "No browser could be opened here")
}

func TestAddressesThatAreNone(t *testing.T) {
	program, out := script(t, 0)
	b := launch.New(environment(map[string]string{"BROWSER": program}), nil, &buffer{})
	for _, bad := range []string{"", "--help", "file:///etc/passwd", "http://idp.example/", "javascript:alert(1)", "https://idp.example/\x1b[2J", "https://idp.example/a b", "https://user@idp.example/", "https://ïdp.example/"} {
		require.Error(t, b.Open(t.Context(), bad), bad)
	}
	require.NoFileExists(t, out)
}

// Without a terminal nobody can paste, and nobody is asked.
func TestNobodyPastes(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = w.WriteString("for the next program\n")
	require.NoError(t, err)
	b := launch.New(environment(nil), r, &buffer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Paste(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	line := make([]byte, 64)
	n, err := r.Read(line)
	require.NoError(t, err)
	require.Equal(t, "for the next program\n", string(line[:n]))
}

// With the real flow: $BROWSER is a program that visits.
func TestSignInWithBROWSER(t *testing.T) {
	if os.PathSeparator == '\\' {
		return
	}
	idp, err := oidctest.New(oidctest.Options{})
	require.NoError(t, err)
	srv := httptest.NewServer(idp)
	defer srv.Close()
	issuer, err := oidc.Discover(t.Context(), srv.URL, oidc.Options{})
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "browser")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexec curl --silent --show-error --location --output /dev/null \"$1\"\n"), 0o700))
	b := launch.New(environment(map[string]string{"BROWSER": program}), nil, &buffer{})
	s, err := oidc.SignInBrowser(t.Context(), issuer, b, oidc.SignInRequest{ClientID: "notebook"})
	require.NoError(t, err)
	require.Equal(t, "alice@example.com", s.Subject())
}

func ExampleNew() {
	vars := map[string]string{} // in a program: os.Getenv, os.Stdin, os.Stderr
	b := launch.New(func(name string) string { return vars[name] }, nil, os.Stdout)
	if err := b.Open(context.Background(), "https://idp.example/authorize?client_id=notebook"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Open this address in a browser and sign in:
	//
	//   https://idp.example/authorize?client_id=notebook
}
