package databricks_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
)

// proxied is the proxy of this test process. net/http never uses it for
// loopback, where all other servers of the tests are.
var proxied = &proxy{}

type proxy struct {
	mu   sync.Mutex
	seen []string
}

func (p *proxy) hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Host)
	p.mu.Unlock()
	w.WriteHeader(http.StatusForbidden)
}

// net/http reads the proxy variables once in the life of a process, so they are
// set before anything else. The SDK's are cleared: a developer's own must not
// reach the tests.
func TestMain(m *testing.M) {
	server := httptest.NewServer(proxied)
	_ = os.Setenv("HTTPS_PROXY", server.URL)
	_ = os.Setenv("NO_PROXY", "")
	for _, name := range []string{"DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_AUTH_TYPE", "DATABRICKS_METADATA_SERVICE_URL"} {
		_ = os.Unsetenv(name)
	}
	_ = os.Setenv("DATABRICKS_CONFIG_FILE", os.DevNull)
	code := m.Run()
	server.Close()
	os.Exit(code)
}
