package examples_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConsumerPython(t *testing.T) {
	consumers(t, "python", "bin", "python3")
	o := newOffice(t)
	out := o.page(t, "python", o.environ(t, "python/bin"))
	require.Contains(t, out, "signed in as "+ada+"\nclusters: []\n")
	require.Equal(t, 1, o.mints())
}

// Twenty CLIs and twenty Python programs that start at once share the one token.
func TestConsumersAtOnce(t *testing.T) {
	consumers(t, "bin", "databricks")
	consumers(t, "python", "bin", "python3")
	o := newOffice(t)
	agent, vars := o.agent(t)
	env := o.environ(t, "bin", "python/bin")
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	me, err := filepath.Abs("consumers/python/me.py")
	require.NoError(t, err)

	type run struct {
		command []string
		out     []byte
		err     error
	}
	var runs []*run
	for range 20 {
		runs = append(runs, &run{command: []string{"databricks current-user me"}}, &run{command: []string{`python3 "$0"`, me}})
	}
	var all sync.WaitGroup
	for _, r := range runs {
		all.Go(func() {
			cmd := exec.Command("bash", append([]string{"-c"}, r.command...)...) // which looks them up in env
			cmd.Dir, cmd.Env = o.client, env
			r.out, r.err = cmd.CombinedOutput()
		})
	}
	all.Wait()
	for _, r := range runs {
		require.NoError(t, r.err, "%s: %s", strings.Join(r.command, " "), r.out)
		require.Contains(t, string(r.out), ada)
	}
	require.Equal(t, 1, o.mints(), "one token for all")
	require.Equal(t, 1, o.audited(t, "ceremony.finished", "sign-in"), "one touch")
	require.Empty(t, o.refusals())
	agent.interrupt(t)
}
