package examples_test

import (
	"bytes"
	"encoding/pem"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/databricks/databrickstest"
	"github.com/lakekey/lakekey/internal/secret"
)

// office is a world whose workspace is reached over TLS, as real ones are, and runs
// in this process, so that it can be asked who called and with what.
type office struct {
	world
	account  *databrickstest.Workspace
	stubs    *http.ServeMux // what the strict workspace does not have; asked after the bearer is known
	ca       string         // a file
	trusting *http.Client   // trusts ca

	mu      sync.Mutex
	bearers map[string]bool // tokens that were sent to the workspace
}

// consumers is where .ci/consumers has put the programs.
func consumers(t *testing.T, part ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("other people's programs are slow to start, and what the race detector could see is tested without them")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no cache directory, so no programs to test with: %v", err)
	}
	path := filepath.Join(append([]string{cache, "lakekey", "consumers"}, part...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not installed, so nothing was tested with it: run .ci/consumers (%v)", part[len(part)-1], err)
	}
	return path
}

func newOffice(t *testing.T) *office {
	t.Helper()
	account, err := databrickstest.New(databrickstest.Options{AccountID: account, AdminToken: secret.New(admin)})
	require.NoError(t, err)
	o := &office{account: account, stubs: http.NewServeMux(), bearers: map[string]bool{}}
	server := httptest.NewUnstartedServer(o)
	server.Config.ErrorLog = log.New(&buffer{}, "", 0) // tools hang up as they please
	server.StartTLS()
	t.Cleanup(server.Close)

	o.server, o.client, o.host = t.TempDir(), t.TempDir(), server.URL
	o.ca = filepath.Join(o.server, "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(o.ca, certificate, 0o600))
	o.trusting = server.Client()
	t.Setenv("SSL_CERT_FILE", o.ca) // for Go programs, and for OpenSSL

	o.provide(t)
	_, err = account.AddUser(ada)
	require.NoError(t, err)
	_, err = account.AddPolicy(databrickstest.Policy{Issuer: o.issuer})
	require.NoError(t, err)
	o.enroll(t)
	return o
}

// ServeHTTP is the workspace, with stubs for those of its services that it lacks.
// They answer only whom the workspace itself recognises.
func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		o.mu.Lock()
		o.bearers[token] = true
		o.mu.Unlock()
	}
	if _, pattern := o.stubs.Handler(r); pattern == "" {
		o.account.ServeHTTP(w, r)
		return
	}
	who := httptest.NewRequest(http.MethodGet, "/api/2.0/preview/scim/v2/Me", nil)
	who.Header["Authorization"] = r.Header["Authorization"]
	who.Header.Set("User-Agent", r.UserAgent())
	known := httptest.NewRecorder()
	o.account.ServeHTTP(known, who)
	if known.Code != http.StatusOK || !strings.Contains(known.Body.String(), `"`+ada+`"`) {
		http.Error(w, "this bearer token is nobody's here", http.StatusUnauthorized)
		return
	}
	o.stubs.ServeHTTP(w, r)
}

// mints is how many access tokens the workspace has issued.
func (o *office) mints() int {
	n := 0
	for _, r := range o.account.Requests() {
		if r.Path == "/oidc/v1/token" && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

// refusals are the requests that the workspace did not answer as hoped, beside
// those for paths it does not have.
func (o *office) refusals() []databrickstest.Request {
	var all []databrickstest.Request
	for _, r := range o.account.Requests() {
		if r.Status >= 400 && r.Status != http.StatusNotFound {
			all = append(all, r)
		}
	}
	return all
}

// environ is a person's environment, where tools find what .ci/consumers installed
// under the names of folders in path.
func (o *office) environ(t *testing.T, path ...string) []string {
	t.Helper()
	var folders []string
	for _, name := range path {
		folders = append(folders, consumers(t, name))
	}
	env := environment(o.client)
	return append(env, "PATH="+strings.Join(append(folders, bin(t), os.Getenv("PATH")), string(os.PathListSeparator)),
		"REQUESTS_CA_BUNDLE="+o.ca, "PYTHONWARNINGS=ignore")
}

var signIn = regexp.MustCompile(`^keyagent exec -issuer https://\S+ -host https://\S+ -key usb(.*) -- bash\n$`)

// page runs what examples/consumers/TOOL/README.md tells people to type. The first
// of its blocks opens a shell with a session, and the others are typed there. Only
// the provider, the workspace and the key are others than on the page.
func (o *office) page(t *testing.T, tool string, env []string) string {
	t.Helper()
	typed := fenced(t, filepath.Join("consumers", tool, "README.md"), "sh")
	require.Greater(t, len(typed), 1, "a page signs in and does something")
	opening := signIn.FindStringSubmatch(typed[0])
	require.NotNil(t, opening, "the page begins with a shell that has a session: %s", typed[0])

	dir := o.folder(t, tool)
	args := append([]string{"exec", "-issuer", o.issuer, "-host", o.host, "-key", o.key}, flags(t, opening[1])...)
	args = append(args, "--", "bash", "-euo", "pipefail", "-c", strings.Join(typed[1:], ""))
	cmd := exec.Command(filepath.Join(bin(t), "keyagent"), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &errs
	require.NoError(t, cmd.Run(), "%s\n%s", out.String(), errs.String())
	require.Empty(t, o.refusals())
	o.requireNothingLeft(t, out.String()+errs.String())
	return out.String()
}

// requireNothingLeft looks for the tokens that were used in what a tool said and in
// what it left in its user's home and folder.
func (o *office) requireNothingLeft(t *testing.T, said string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	require.NotEmpty(t, o.bearers)
	for token := range o.bearers {
		require.NotContains(t, said, token, "what the tool said")
		require.NoError(t, filepath.WalkDir(o.client, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			require.NotContains(t, string(b), token, path)
			require.Nil(t, jwt.Find(b), "%s holds a JWT", path)
			return err
		}))
	}
}

// folder is a copy of a page's folder, for the tool to leave things in.
func (o *office) folder(t *testing.T, tool string) string {
	t.Helper()
	dir := filepath.Join(o.client, tool)
	if _, err := os.Stat(dir); err != nil {
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("consumers", tool))))
	}
	return dir
}

// flags splits what stands on a page as a shell would.
func flags(t *testing.T, words string) []string {
	t.Helper()
	if words == "" {
		return nil
	}
	out, err := exec.Command("bash", "-c", `printf '%s\n' `+words).Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}
