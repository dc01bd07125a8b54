package examples_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// paths returns the members of a JSON object, those of objects in it with a dot.
func paths(object map[string]any) []string {
	var all []string
	for name, v := range object {
		all = append(all, name)
		if inner, ok := v.(map[string]any); ok {
			for _, p := range paths(inner) {
				all = append(all, name+"."+p)
			}
		}
	}
	sort.Strings(all)
	return all
}

// The object is a contract: these members and no other.
var contract = []string{
	"attestation", "aaguid", "audit", "audit.records", "audit.root", "audit.verified", "credential_id", "current_user",
	"databricks_token", "databricks_token.exp", "databricks_token.scope",
	"elapsed_ms", "elapsed_ms.exchange", "elapsed_ms.first_call", "elapsed_ms.register", "elapsed_ms.sign_in",
	"issuer", "session_id", "subject_token", "subject_token.acr", "subject_token.alg", "subject_token.amr", "subject_token.exp",
	"touches", "user", "workspace",
}

func TestQuickstartJSON(t *testing.T) {
	out, said, code := call(t, t.TempDir(), "quickstart", "-json", "-scopes", "clusters:read jobs")
	require.Zero(t, code, said)
	require.Empty(t, said)
	requireNoSecret(t, "the object", []byte(out), "no token is known")
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &object))
	require.ElementsMatch(t, contract, paths(object))

	require.Equal(t, ada, object["user"])
	require.Equal(t, ada, object["current_user"])
	require.Equal(t, "self", object["attestation"])
	require.InDelta(t, 2, object["touches"], 0)
	token := object["subject_token"].(map[string]any)
	require.Equal(t, "ES256", token["alg"])
	require.Equal(t, "phr", token["acr"], "a software key without a root proves no hardware")
	require.NotContains(t, token["amr"], "hwk")
	granted := object["databricks_token"].(map[string]any)
	require.Equal(t, "clusters:read jobs", granted["scope"])
	require.Greater(t, granted["exp"], float64(time.Now().Unix()))
	require.LessOrEqual(t, granted["exp"], token["exp"], "no token outlives what it was got for")
	audited := object["audit"].(map[string]any)
	require.Equal(t, true, audited["verified"])
	require.Greater(t, audited["records"], float64(5))
}

// What it makes is gone afterwards, also when it is interrupted.
func TestQuickstartLeavesNothing(t *testing.T) {
	home, temp := t.TempDir(), t.TempDir()
	run := func(interrupt time.Duration) {
		cmd := exec.Command(filepath.Join(bin(t), "quickstart"))
		cmd.Dir, cmd.Env = home, append(environment(home), "TMPDIR="+temp)
		require.NoError(t, cmd.Start())
		if interrupt > 0 {
			time.Sleep(interrupt)
			_ = cmd.Process.Signal(os.Interrupt) // it may have finished already
		}
		err := cmd.Wait()
		require.True(t, interrupt > 0 || err == nil, "%v", err)
		for _, dir := range []string{home, temp} {
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		}
	}
	run(0)
	for _, after := range []time.Duration{15, 25, 35, 50} {
		run(after * time.Millisecond)
	}
}

// With a provider and a workspace that run already.
func TestQuickstartWithRunningParts(t *testing.T) {
	w := newWorld(t)
	link, said, code := call(t, w.server, "idp", "invite", "-db", "sqlite:keys.db", "-user", ada)
	require.Zero(t, code, said)
	out, said, code := call(t, w.client, "quickstart", "-json", "-issuer", w.issuer, "-host", w.host, "-invite", link[:len(link)-1], "-key", "soft:quick.key")
	require.Zero(t, code, said)
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &object))
	require.Equal(t, w.host, object["workspace"])
	require.Equal(t, w.issuer, object["issuer"])
	require.Equal(t, true, object["audit"].(map[string]any)["verified"])
	require.FileExists(t, filepath.Join(w.client, "quick.key"))
}
