package examples_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/browser"
)

// A page that has learned the agent's URL, in a real browser: what it may send
// without asking is refused, what it must ask for is not allowed, and it reads
// nothing either way.
func TestKeyagentAndAPage(t *testing.T) {
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, "<!doctype html><title>page</title><link rel=icon href=data:,><h1>A page</h1>")
	}))
	defer evil.Close()
	w := newWorld(t)
	agent, vars := w.agent(t)
	url := vars["DATABRICKS_METADATA_SERVICE_URL"]
	page := browser.Start(t).Page(t)
	page.Open(evil.URL)
	page.WaitFor("h1", "A page")
	read := func(options string) string {
		var got string
		page.Eval(fmt.Sprintf(`fetch(%q, %s).then(r => r.text().then(x => r.type + ":" + x), e => "blocked")`, url, options), &got)
		return got
	}
	headers := fmt.Sprintf(`{headers: {"X-Databricks-Metadata-Version": "1", "X-Databricks-Host": %q}}`, w.host)
	require.Equal(t, "blocked", read(headers), "the preflight was answered")
	require.Equal(t, "blocked", read(`{}`), "an answer can be read")
	require.Equal(t, "opaque:", read(`{mode: "no-cors"}`))
	require.Equal(t, "opaque:", read(`{mode: "no-cors", method: "POST", body: "x"}`))
	page.Open(evil.URL) // all that the browser had to complain about, it has by then
	page.WaitFor("h1", "A page")
	require.NotEmpty(t, page.Problems())
	agent.said(t, "status=405 .*method=OPTIONS")
	agent.said(t, "status=400 .*method=GET")
	agent.said(t, "status=405 .*method=POST")
	status, _ := askAgent(t, vars)
	require.Equal(t, http.StatusOK, status, "the tools have what they had")
	agent.interrupt(t)
}
