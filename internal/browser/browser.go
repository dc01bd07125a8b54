package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Patience is how long a step may take: a machine under load is slow, and a page
// that waits for something that never comes must still end.
const Patience = 3 * time.Minute

// Browser is a running Chromium.
type Browser struct{ ctx context.Context }

// Start starts Chromium for the time of the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	var binary string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			binary = found
			break
		}
	}
	if binary == "" {
		t.Skip("no Chromium is installed (apt-get install chromium), so the page was not tried in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary),
		chromedp.WSURLReadTimeout(Patience),
		chromedp.Flag("disable-dev-shm-usage", true), // containers have little of it
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("lang", "en-GB"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to set up for root
	}
	// Not the test's own context, which ends before what is cleaned up with it.
	allocated, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for Chromium to end; it may have done so
		cancel()
		stop()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("browser: starting %s: %v", binary, err)
	}
	return &Browser{ctx}
}

// Page is a window with cookies, storage and keys of its own.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// Page opens an empty window.
func (b *Browser) Page(t testing.TB) *Page {
	t.Helper()
	id, err := b.window()
	if err != nil {
		t.Fatalf("browser: opening a window: %v", err)
	}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	p := &Page{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	if err := chromedp.Run(ctx); err != nil { // not under a deadline, which would be the window's
		t.Fatalf("browser: opening a window: %v", err)
	}
	p.run(log.Enable(), webauthn.Enable(), emulation.SetTimezoneOverride("Europe/Berlin"), emulation.SetFocusEmulationEnabled(true), still)
	t.Cleanup(func() {
		if t.Failed() {
			p.dump()
		}
		cancel()
		for _, problem := range p.Problems() {
			t.Errorf("the page's console: %s", problem)
		}
	})
	return p
}

// still keeps what is to be clicked from moving away under the pointer.
var still = emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}})

// window opens a window with storage of its own. chromedp's own way to do so asks
// for a tab, and a fresh profile has no window yet to put it into.
func (b *Browser) window() (target.ID, error) {
	c := chromedp.FromContext(b.ctx)
	ctx, cancel := context.WithTimeout(cdp.WithExecutor(b.ctx, c.Browser), Patience)
	defer cancel()
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
	if err != nil {
		return "", err
	}
	return target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(ctx)
}

// listen collects what the console complains about. That an answer had a status
// of 400 and above is the server's business, which tests look at themselves.
func (p *Page) listen(event any) {
	var problem string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Error()
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
			problem = e.Entry.Text
		}
	case *page.EventJavascriptDialogOpening:
		problem = "a dialog: " + e.Message
	}
	if problem != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, problem)
	}
}

// Problems returns what the console has complained about since the last call.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	problems := p.problems
	p.problems = nil
	return problems
}

// run carries out actions, or ends the test.
func (p *Page) run(actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// Open goes to an address.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.run(chromedp.Navigate(url))
}

// Click clicks on what the selector finds, once it can be seen.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.until("to click "+selector, `(s) => { const e = document.querySelector(s); return !!e && e.checkVisibility() && !e.disabled }`, selector)
	p.run(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

// Type replaces what stands in a field.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Focus(selector, chromedp.ByQuery),
		chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).select()`, selector), nil),
		input.InsertText(text))
}

// Press sends keys to whatever has the focus, as a keyboard does.
func (p *Page) Press(keys string) {
	p.t.Helper()
	p.run(chromedp.KeyEvent(keys))
}

// Text returns what can be read in the first element that the selector finds.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	var text string
	p.Eval(fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ''`, selector), &text)
	return strings.TrimSpace(text)
}

// WaitFor waits until text can be read in what the selector finds.
func (p *Page) WaitFor(selector, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("for %q in %s", text, selector),
		`(s, text) => [...document.querySelectorAll(s)].some((e) => e.checkVisibility() && e.innerText.includes(text))`, selector, text)
}

// WaitPath waits until the address has the path and the page's script is ready.
func (p *Page) WaitPath(path string) {
	p.t.Helper()
	p.until("for the path "+path, `(path) => location.pathname === path && 'ready' in document.documentElement.dataset`, path)
}

// until waits until a function of JavaScript returns true, across navigations.
func (p *Page) until(what, function string, args ...string) {
	p.t.Helper()
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	call := "(" + function + ")(" + strings.Join(quoted, ", ") + ")"
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	for {
		var ok bool
		// An error is a page that is being replaced.
		if err := chromedp.Run(ctx, chromedp.Evaluate(call, &ok)); err == nil && ok {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("browser: waited %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Eval evaluates JavaScript, and waits for it if it is a promise. The result
// goes into out unless that is nil.
func (p *Page) Eval(script string, out any) {
	p.t.Helper()
	awaited := func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }
	p.run(chromedp.Evaluate(script, out, awaited))
}

// Scripts says whether the next pages run JavaScript.
func (p *Page) Scripts(yes bool) {
	p.t.Helper()
	p.run(emulation.SetScriptExecutionDisabled(!yes))
}

// Screen is what a page is looked at on.
type Screen struct {
	Width, Height int64
	Phone, Dark   bool
}

// Show changes the screen.
func (p *Page) Show(s Screen) {
	p.t.Helper()
	scheme := "light"
	if s.Dark {
		scheme = "dark"
	}
	p.run(emulation.SetDeviceMetricsOverride(s.Width, s.Height, 2, s.Phone),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// Screenshot writes the whole page to a PNG file.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	var png []byte
	p.run(chromedp.FullScreenshot(&png, 100))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

// dump says where a failed test stood.
func (p *Page) dump() {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	var at, text string
	if err := chromedp.Run(ctx, chromedp.Evaluate(`location.href`, &at), chromedp.Evaluate(`document.body.innerText`, &text)); err == nil {
		p.t.Logf("the page at %s read:\n%s", at, text)
	}
}
