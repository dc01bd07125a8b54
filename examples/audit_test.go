package examples_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The log of a provider, verified while it runs and afterwards, and again after
// somebody has laid hands on it.
func TestAuditVerify(t *testing.T) {
	w := newWorld(t)
	agent, _ := w.agent(t)
	agent.interrupt(t)
	w.idp.interrupt(t)
	m := regexp.MustCompile(`-key '([^']+)'`).FindStringSubmatch(w.idp.errs.String())
	require.NotNil(t, m, w.idp.errs.String())

	out, said, code := call(t, w.server, "audit", "verify", "-log", "audit.log", "-key", m[1])
	require.Zero(t, code, said)
	require.Contains(t, out, "verified: ")
	require.NotContains(t, out, "about to be done")

	file := filepath.Join(w.server, "audit.log")
	log, err := os.ReadFile(file)
	require.NoError(t, err)
	forged := bytes.Replace(log, []byte(ada), []byte("eve@example.com"), 1)
	require.NoError(t, os.WriteFile(file, forged, 0o600))
	out, _, code = call(t, w.server, "audit", "verify", "-log", "audit.log", "-key", m[1])
	require.Equal(t, 1, code)
	changed := 1 + strings.Count(string(log[:bytes.Index(log, []byte(ada))]), "\n")
	require.Contains(t, out, "record "+strconv.Itoa(changed)+" ")

	_, said, code = call(t, w.server, "audit", "verify", "-log", "audit.log")
	require.Equal(t, 2, code)
	require.Contains(t, said, "-key is missing")
}
