package web_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/internal/browser"
)

// barriers is JavaScript that lists what would keep somebody from using the page
// that is open: text too faint to read (WCAG 2.2 §1.4.3), fields and buttons
// without a name (§4.1.2), headings out of order (§1.3.1), what is too small to
// hit (§2.5.8), a page wider than its screen (§1.4.10), an ID that two have.
const barriers = `(() => {
	const found = [], seen = (e) => e.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
	const say = (what, e) => found.push(what + ': <' + e.tagName.toLowerCase() + '> ' + (e.innerText || e.id || '').slice(0, 40));
	const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = (color) => { context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1); const d = context.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255] };
	const over = (a, b) => { const alpha = a[3] + b[3] * (1 - a[3]); return [0, 1, 2].map((i) => alpha ? (a[i] * a[3] + b[i] * b[3] * (1 - a[3])) / alpha : 0).concat(alpha) };
	const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => { const v = c[i] / 255; return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4) }, 0);
	const ground = (e) => { let c = rgba(getComputedStyle(e).backgroundColor); for (let p = e.parentElement; c[3] < 1 && p; p = p.parentElement) c = over(c, rgba(getComputedStyle(p).backgroundColor)); return c };
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement;
		if (!walker.currentNode.textContent.trim() || !seen(e) || ['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION'].includes(e.tagName) || e.closest('[disabled], .visually-hidden, .skip')) continue;
		const style = getComputedStyle(e), on = ground(e), a = luminance(over(rgba(style.color), on)), b = luminance(on);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) say('contrast ' + ratio.toFixed(2), e);
	}
	for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href], summary')) {
		if (!seen(e)) continue;
		if (!(e.labels?.length || e.getAttribute('aria-label') || e.innerText?.trim())) say('no name', e);
		const r = e.getBoundingClientRect();
		const inline = e.tagName === 'A' && getComputedStyle(e).display === 'inline';
		if (!inline && !e.matches('.skip') && (r.height < 24 && e.type !== 'checkbox' || r.width < 18)) say('too small ' + r.width + 'x' + r.height, e);
	}
	let level = 0;
	for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
		if (!seen(h)) continue;
		const n = +h.tagName[1];
		if (n > level + 1) say('heading skips a level', h);
		level = n;
	}
	if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
	if (document.documentElement.scrollWidth > innerWidth) found.push('wider than the screen: ' + document.documentElement.scrollWidth + ' > ' + innerWidth);
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	for (const id of new Set(ids)) if (ids.filter((i) => i === id).length > 1) found.push('two have the id ' + id);
	if (!document.documentElement.lang || !document.title) found.push('no language or title');
	return found;
})()`

var screens = map[string]browser.Screen{
	"desktop-light": {Width: 1280, Height: 900}, "desktop-dark": {Width: 1280, Height: 900, Dark: true},
	"phone-light": {Width: 390, Height: 844, Phone: true}, "phone-dark": {Width: 390, Height: 844, Phone: true, Dark: true},
}

// look checks the page as it stands on every screen, and takes pictures where
// LAKEKEY_SCREENSHOTS says where to put them.
func look(t *testing.T, p *browser.Page, name string) {
	t.Helper()
	for screen, s := range screens {
		p.Show(s)
		var found []string
		p.Eval(barriers, &found)
		require.Empty(t, found, "%s on %s", name, screen)
		if dir := os.Getenv("LAKEKEY_SCREENSHOTS"); dir != "" {
			p.Screenshot(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, screen)))
		}
	}
	p.Show(screens["desktop-light"])
}

// Every page in every state that looks different, on all screens.
func TestPagesAreForEverybody(t *testing.T) {
	policy, err := keypolicy.New(nil,
		keypolicy.Rule{Name: "admins", Groups: []string{"admins"}},
		keypolicy.Rule{Name: "staff", Approval: keypolicy.ApprovalAlways})
	require.NoError(t, err)
	b, s := browser.Start(t), newSite(t, options{policy: policy})
	p := b.Page(t)
	key := p.PlugIn(yubikey)

	p.Open(s.url + "/signin")
	p.WaitPath("/signin")
	look(t, p, "signin")
	p.Click("#signin button")
	p.WaitFor("#wrong", "No key was used")
	p.Click("details.more summary")
	look(t, p, "signin-refused")
	p.Open(s.url + "/enroll")
	p.WaitFor("#codeform", "Recovery code")
	look(t, p, "enroll-code")
	begin(p, s.invite(t, ada, "admins"))
	p.Click("details.more summary")
	look(t, p, "enroll")
	p.Type("#name", "Key on my keyring")
	p.Click("#registerform button")
	p.WaitFor("#registered", "is a key of")
	look(t, p, "enroll-done")
	signIn(p, s)
	look(t, p, "keys-one")

	// A life with keys: proven ones, one in every state.
	pocket := key.Credentials()
	key.Unplug()
	for i, name := range []string{"Laptop’s fingerprint reader", "Spare in the safe", "The key with the sticker that I got at the conference in Amsterdam", "Old phone"} {
		at := b.Page(t)
		o := yubikey
		if i == 0 || i == 3 {
			o = browser.KeyOptions{Transport: "internal", Resident: true, Verifies: true, Synced: i == 3}
		}
		at.PlugIn(o)
		enrol(at, s.invite(t, ada), name)
		s.clock.move(time.Minute)
	}
	for _, who := range []string{grace, "katherine.johnson@research.example.com", "mary@example.com"} {
		at := b.Page(t)
		at.PlugIn(yubikey)
		enrol(at, s.invite(t, who, "analysts", "ml-platform"), "Black key")
		if who == grace {
			look(t, at, "enroll-pending")
		}
	}
	p.PlugIn(yubikey).Import(pocket[0])
	rooted := keypolicy.Evidence{Verdict: keypolicy.Rooted, RootedBy: "mds", Model: "YubiKey 5 FIPS Series with NFC", Hardware: true, FIPS: true, Certification: keypolicy.L2, Metadata: 132}
	dress(t, s, ada, "Key on my keyring", func(c *fido.Credential) { c.Evidence = rooted })
	dress(t, s, ada, "Spare in the safe", func(c *fido.Credential) {
		c.Evidence = keypolicy.Evidence{Verdict: keypolicy.Rooted, RootedBy: "pinned", Model: "Security Key by Acme", Hardware: true, Status: []string{"USER_KEY_REMOTE_COMPROMISE"}}
		c.State, c.StateReason = fido.StateQuarantined, "the sign counter went back from 118 to 3: there may be a copy of this key"
	})
	dress(t, s, ada, "Old phone", func(c *fido.Credential) {
		c.State, c.StateReason, c.Revoked = fido.StateRevoked, "reported lost: left in the taxi", s.clock.Now()
	})
	dress(t, s, grace, "Black key", func(c *fido.Credential) { c.Evidence = rooted })

	p.Open(s.url + "/keys")
	p.WaitPath("/keys")
	p.Click("details.old summary")
	look(t, p, "keys")
	within(p, card(t, s, ada, "Key on my keyring"), "/keys/lost")
	look(t, p, "keys-lost")
	p.Click("#recoveryform button")
	p.WaitFor("#codes", "shown this once")
	look(t, p, "keys-codes")
	p.Eval(`document.querySelector('#confirming').hidden = false`, nil)
	look(t, p, "keys-confirm")

	p.Open(s.url + "/admin")
	p.WaitFor("h1", "Approvals")
	look(t, p, "approvals")
	p.Open(s.url + "/admin/people")
	look(t, p, "people")
	g, err := s.rp.UserByName(t.Context(), grace)
	require.NoError(t, err)
	p.Open(s.url + "/admin/people/" + b64(g.Handle))
	within(p, "main", "/admin/groups")
	look(t, p, "person")
	p.Open(s.url + "/admin/keys")
	look(t, p, "allkeys")
	p.Open(s.url + "/admin/invite")
	look(t, p, "invite")
	p.Type("#user", "dorothy@example.com")
	p.Click("#inviteform button")
	p.WaitFor("#invited", "dorothy@example.com")
	look(t, p, "invited")
	p.Open(s.url + "/admin/trail?q=credential")
	p.Eval(`document.querySelector('.trail details').open = true`, nil)
	look(t, p, "trail")
	p.Open(s.url + "/nowhere")
	look(t, p, "message")
	p.Scripts(false)
	p.Open(s.url + "/enroll")
	look(t, p, "enroll-without-scripts")
}

// dress gives a key a past that no key in this test could have.
func dress(t *testing.T, s *site, user, name string, change func(*fido.Credential)) {
	t.Helper()
	for _, c := range s.keys(t, user) {
		if c.Name == name {
			change(&c)
			require.NoError(t, s.store.UpdateCredential(t.Context(), c))
		}
	}
}
