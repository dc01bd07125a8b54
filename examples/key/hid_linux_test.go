package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/authenticator/softkey"
)

// The same over CTAPHID, behind a pseudo-terminal.
func TestOverHID(t *testing.T) {
	soft, err := softkey.New(softkey.Options{PIN: []byte("1234")})
	require.NoError(t, err)
	port, err := soft.PlugPTY()
	if err != nil {
		t.Skipf("this system has no pseudo-terminal for a key: %v", err)
	}
	defer port.Unplug()
	s := key(t, &typist{}, "info", "-device", port.Path())
	require.Zero(t, s.code, s.err)
	require.Contains(t, s.out, port.Path())
	s = key(t, &typist{secrets: []string{"1234"}}, "register", "-resident", "-device", port.Path())
	require.Zero(t, s.code, s.err)
	s = key(t, &typist{secrets: []string{"1234"}}, "sign", "-device", port.Path())
	require.Zero(t, s.code, s.err)
	require.Contains(t, s.out, `"user_verified": true`)
	s = key(t, &typist{secrets: []string{"1234"}}, "credentials", "-device", port.Path())
	require.Zero(t, s.code, s.err)
	require.Contains(t, s.out, "localhost")
}
