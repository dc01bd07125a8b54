package examples_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/internal/browser"
)

// said waits until a program has said on standard error what the pattern finds.
func (p *process) said(t *testing.T, pattern string) []string {
	t.Helper()
	find := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(browser.Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := find.FindStringSubmatch(p.errs.String()); found != nil {
			return found
		}
	}
	t.Fatalf("nobody said %s: %s", pattern, p.errs)
	return nil
}

// enrolled is a browser window with a key that is the person's.
func (w *world) enrolled(t *testing.T) *browser.Page {
	t.Helper()
	page := browser.Start(t).Page(t)
	page.PlugIn(browser.KeyOptions{Transport: "usb", Resident: true, Verifies: true})
	page.Open(w.invite(t))
	page.WaitFor("#register", "This registers a key for")
	page.Type("#name", "Black key")
	page.Click("#registerform button")
	page.WaitFor("#registered", "is a key of")
	return page
}

// A person at a terminal without a browser: the address that is printed, opened in
// Chromium with a key, and the tokens that come of it. Two agents share the
// session that is kept; who logs out, ends it for both.
func TestKeyagentByBrowser(t *testing.T) {
	w := newWorld(t)
	page := w.enrolled(t)
	flags := []string{"-issuer", w.issuer, "-host", w.host, "-key", "browser", "-keep", filepath.Join(w.client, "kept"), "-keep-key", filepath.Join(w.client, "key")}
	desk := newDesk(t)
	agent := startAt(t, desk.tty, w.client, "keyagent", append(flags, "-listen", "127.0.0.1:0")...)
	address := agent.said(t, `(?m)^  (http://localhost:\S+)$`)[1]
	require.Contains(t, agent.errs.String(), "Open this address in a browser")
	require.Contains(t, agent.errs.String(), "paste it here")
	require.Contains(t, address, "request_uri=", "not pushed")
	page.Open(address)
	page.WaitFor("h1", "Sign in to lakekey on your computer")
	page.Click("#signin button")
	page.WaitFor("body", "go back to the program")
	first := agent.exports(t)
	require.NotEmpty(t, w.token(t, first))
	agent.said(t, "signed in as "+ada)

	second := start(t, w.client, "keyagent", append(flags, "-listen", "127.0.0.1:0")...)
	require.NotEmpty(t, w.token(t, second.exports(t)))
	require.NotContains(t, second.errs.String(), "Open this address", "prompted although a session is kept")
	second.interrupt(t)
	require.Contains(t, second.errs.String(), "the session stays")

	_, said, code := call(t, w.client, "keyagent", append([]string{"logout"}, flags...)...)
	require.Zero(t, code, said)
	require.Contains(t, said, "session of "+ada+" is closed")
	_, said, code = call(t, w.client, "keyagent", append([]string{"logout"}, flags...)...)
	require.Zero(t, code, said)
	require.Contains(t, said, "nothing to end")
	agent.interrupt(t)
	for _, p := range []*process{agent, second} {
		require.NotContains(t, p.errs.String(), "eyJ")
	}
}

// A machine without key and browser: the code is printed, and entered elsewhere.
func TestKeyagentByDevice(t *testing.T) {
	w := newWorld(t)
	page := w.enrolled(t)
	agent := start(t, w.client, "keyagent", "-issuer", w.issuer, "-host", w.host, "-key", "device", "-listen", "127.0.0.1:0")
	found := agent.said(t, `(?s)open\n\n  (\S+)\n\nand enter the code\n\n  (\S+)\n`)
	agent.said(t, "Enter no code that somebody sent you")
	page.Open(found[1])
	page.WaitFor("h1", "Let a device sign in")
	page.Type("#f-user_code", found[2])
	page.Click("form.card button")
	page.WaitFor("h1", "Let this device sign in as you")
	page.WaitFor(".stated", found[2])
	page.Click("#signin button")
	page.WaitFor("h1", "The device may go on")
	require.NotEmpty(t, w.token(t, agent.exports(t)))
	agent.interrupt(t)
	require.True(t, strings.HasSuffix(strings.TrimSpace(agent.errs.String()), "the session is closed"))
}
