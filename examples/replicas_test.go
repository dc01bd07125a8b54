package examples_test

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/postgrestest"
)

// balancer gives each request to the next of the providers behind it.
type balancer struct {
	mu      sync.Mutex
	targets []*url.URL
	served  map[string]int // requests by target
	next    int
}

func (b *balancer) choose() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	target := b.targets[b.next%len(b.targets)]
	b.served[target.Host]++
	return target
}

func (b *balancer) remove(target *url.URL) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []*url.URL
	for _, t := range b.targets {
		if t != target {
			left = append(left, t)
		}
	}
	b.targets = left
}

// replicas starts providers on one database, behind one URL.
func replicas(t *testing.T, dir, db string, n int) (issuer string, b *balancer, all []*process) {
	t.Helper()
	b = &balancer{served: map[string]int{}}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(b.choose())
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(front.Close)
	issuer = strings.Replace(front.URL, "127.0.0.1", "localhost", 1)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "checkpoints"), 0o700))
	for range n {
		address := "127.0.0.1:" + freePort(t)
		p := start(t, dir, "idp", "-listen", address, "-url", issuer, "-db", db, "-audit", "db", "-audit-key", "audit.key", "-checkpoints", "checkpoints")
		b.targets = append(b.targets, &url.URL{Scheme: "http", Host: address})
		all = append(all, p)
	}
	for _, p := range all { // they were started together, and migrated together
		require.Equal(t, issuer, p.line(t))
	}
	return issuer, b, all
}

// TestReplicas: providers that share a database are one. Each request of an
// enrolment and of a sign-in goes to another of them; then one dies.
func TestReplicas(t *testing.T) {
	db := postgrestest.URL(t)
	w := &world{server: t.TempDir(), client: t.TempDir()}
	w.workspace = start(t, w.server, "workspace", "-listen", "127.0.0.1:0", "-account-id", account, "-admin-token", admin)
	w.host = w.workspace.line(t)
	issuer, b, idps := replicas(t, w.server, db, 3)
	w.issuer = issuer
	w.administer(t, "/scim/v2/Users", `{"userName":"`+ada+`"}`)
	w.administer(t, "/federationPolicies", `{"oidc_policy":{"issuer":"`+w.issuer+`"}}`)

	link, said, code := call(t, w.server, "idp", "invite", "-db", db, "-user", ada)
	require.Zero(t, code, said)
	require.True(t, strings.HasPrefix(link, w.issuer+"/enroll#"), link)
	w.key = "soft:" + filepath.Join(w.client, "my.key")
	_, said, code = call(t, w.client, "keyagent", "enroll", "-invite", strings.TrimSpace(link), "-key", w.key)
	require.Zero(t, code, said)
	_, said, code = call(t, w.client, "keyagent", "enroll", "-invite", strings.TrimSpace(link), "-key", "soft:"+filepath.Join(w.client, "another.key"))
	require.NotZero(t, code, "at whichever replica: a link works once")
	require.NotContains(t, said, "goroutine")

	agent, _ := w.agent(t)
	agent.interrupt(t)
	for target, n := range b.served {
		require.Greater(t, n, 1, target)
	}
	require.Len(t, b.served, 3)

	// A replica that is gone takes nothing along.
	require.NoError(t, idps[0].cmd.Process.Kill())
	b.remove(b.targets[0])
	agent, _ = w.agent(t)
	agent.interrupt(t)
	for _, p := range idps[1:] {
		p.interrupt(t)
	}

	// They wrote one log, and what was brought elsewhere is of that log.
	public := verifier.FindStringSubmatch(idps[1].errs.String())
	require.Len(t, public, 2, idps[1].errs.String())
	kept, err := filepath.Glob(filepath.Join(w.server, "checkpoints", "*", "*.checkpoint"))
	require.NoError(t, err)
	require.NotEmpty(t, kept)
	said, problems, code := call(t, w.server, "audit", "verify", "-log", db, "-key", public[1], "-checkpoint", kept[len(kept)-1])
	require.Zero(t, code, problems)
	require.Contains(t, said, "verified: ")
}

// verifier finds the key of the audit log in what idp says.
var verifier = regexp.MustCompile(`-key '([^']+)'`)

func TestDatabasePasswordIsNotShown(t *testing.T) {
	for _, db := range []string{
		"postgres://ada:hunter2@127.0.0.1:" + freePort(t) + "/lakekey",
		"postgres://ada:hunter2@127.0.0.1:port/lakekey",
		"postgress://ada:hunter2@127.0.0.1/lakekey",
	} {
		for _, args := range [][]string{
			{"-db", db, "-audit", "a.log", "-listen", "127.0.0.1:0"},
			{"invite", "-db", db, "-user", ada},
		} {
			_, said, code := call(t, t.TempDir(), "idp", args...)
			require.NotZero(t, code)
			require.Contains(t, said, "-db")
			require.NotContains(t, said, "hunter2")
		}
	}
}
