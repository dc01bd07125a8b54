package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/web"
	"github.com/lakekey/lakekey/internal/browser"
)

// yubikey is an ordinary security key of today.
var yubikey = browser.KeyOptions{Transport: "usb", Resident: true, Verifies: true}

// enrol registers whatever key is plugged in, through an enrolment link.
func enrol(p *browser.Page, link, name string) {
	begin(p, link)
	p.Type("#name", name)
	p.Click("#registerform button")
	p.WaitFor("#registered", "is a key of")
}

// begin opens an enrolment link.
func begin(p *browser.Page, link string) {
	p.Open("about:blank") // a change of the fragment alone loads nothing
	p.Open(link)
	p.WaitFor("#register", "This registers a key for")
}

// signIn signs in with the key that is plugged in.
func signIn(p *browser.Page, s *site) {
	p.Open(s.url + "/signin")
	p.WaitPath("/signin")
	p.Click("#signin button")
	p.WaitPath("/keys")
}

// within opens the fold of a card and returns the selector of the form in it.
func within(p *browser.Page, card, path string) string {
	form := fmt.Sprintf(`%s form[data-post$=%q]`, card, path)
	p.Eval(fmt.Sprintf(`{ const d = document.querySelector(%q).closest('details'); if (d) d.open = true }`, form), nil)
	return form
}

// card is the selector of the card of a key.
func card(t *testing.T, s *site, user, name string) string {
	t.Helper()
	for _, c := range s.keys(t, user) {
		if c.Name == name {
			return fmt.Sprintf(`article[aria-labelledby="k-%s"]`, b64(c.ID))
		}
	}
	t.Fatalf("%s has no key called %q", user, name)
	return ""
}

func TestRegisterAndSignIn(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	p.PlugIn(yubikey)
	begin(p, s.invite(t, ada))
	p.WaitFor("#for", ada)
	var address string
	p.Eval("location.href", &address)
	require.Equal(t, s.url+"/enroll", address, "the invitation does not stay where others can read it")
	p.Type("#name", "Black key")
	p.Click("#registerform button")
	p.WaitFor("#registered", "“Black key” is a key of "+ada)
	keys := s.keys(t, ada)
	require.Len(t, keys, 1)
	require.Equal(t, "Black key", keys[0].Name)
	require.Equal(t, fido.StateActive, keys[0].State)
	require.True(t, keys[0].Discoverable)
	require.Equal(t, []string{"usb"}, keys[0].Transports)

	p.Click("#go")
	p.WaitPath("/signin")
	p.Click("#signin button")
	p.WaitPath("/keys")
	p.WaitFor("h3", "Black key")
	p.WaitFor(".note", "Register a second key")
	p.WaitFor(".who", ada)

	p.Click("form[data-post$='/signout'] button")
	p.WaitPath("/signin")
	p.Open(s.url + "/keys")
	p.WaitPath("/signin")
}

// Nothing but the keyboard, as somebody does who sees no pointer.
func TestKeyboard(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	p.PlugIn(yubikey)
	begin(p, s.invite(t, ada))
	focus := func() (id string) {
		p.Eval(`document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName`, &id)
		return strings.TrimSpace(id)
	}
	p.Press("\t")
	require.Equal(t, "Skip to the content", focus())
	for range 10 {
		if p.Press("\t"); focus() == "name" {
			break
		}
	}
	require.Equal(t, "name", focus())
	p.Press("Typed\r")
	p.WaitFor("#registered", "“Typed” is a key")
	require.Equal(t, "registered-title", focus(), "the news has the focus, so that it is read out")
	p.Open(s.url + "/signin")
	p.WaitPath("/signin")
	for range 10 {
		if p.Press("\t"); focus() == "user" {
			break
		}
	}
	p.Press("\t\r")
	p.WaitPath("/keys")
}

// Passkeys are offered in the name's field: nobody types or clicks anything but
// the passkey itself.
func TestAutofill(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	key := p.PlugIn(browser.KeyOptions{Transport: "internal", Resident: true, Verifies: true})
	enrol(p, s.invite(t, ada), "Laptop")
	p.Open(s.url + "/signin")
	p.WaitPath("/keys")
	p.WaitFor("h3", "Laptop")

	// A passkey that is not known here, and one that was revoked.
	u, err := s.rp.UserByName(t.Context(), ada)
	require.NoError(t, err)
	_, err = s.rp.Revoke(t.Context(), s.keys(t, ada)[0].ID, fido.Act{By: u.Name})
	require.NoError(t, err)
	p.Open(s.url + "/signin")
	p.WaitFor("#wrong", "This key was revoked")
	require.Empty(t, key.Credentials(), "the password manager has forgotten the revoked passkey")
}

func TestLookAfterKeys(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	first := p.PlugIn(yubikey)
	enrol(p, s.invite(t, ada), "First")
	signIn(p, s)
	p.WaitFor(".note.warn", "locked out")

	// A second key. Chromium asks all keys that are plugged in, and the one that
	// may not be used again answers first: so the first is unplugged for a moment,
	// after it has confirmed. Its credential is kept as a person's pocket does.
	p.Type("#add-name", "Second")
	p.Click("#addform button")
	p.WaitFor("#wrong", "This key is registered already")
	pocket := first.Credentials()
	first.Unplug()
	p.PlugIn(browser.KeyOptions{Transport: "nfc", Resident: true, Verifies: true})
	p.Click("#addform button")
	p.WaitFor("#said", "The key is registered")
	require.Len(t, s.keys(t, ada), 2)
	require.NotContains(t, p.Text("main"), "Register a second key")

	// Another name.
	form := within(p, card(t, s, ada, "Second"), "/keys/rename")
	p.Type(form+" input[type=text]", "Spare in the safe")
	p.Click(form + " button")
	p.WaitFor("#said", "new name")
	p.WaitFor("h3", "Spare in the safe")
	form = within(p, card(t, s, ada, "First"), "/keys/rename")
	p.Type(form+" input[type=text]", "Evil\u202ename")
	p.Click(form + " button")
	p.WaitFor("#wrong", "The name")

	// A step-up does not last: after five minutes the key is asked again.
	s.clock.move(6 * time.Minute)
	form = within(p, card(t, s, ada, "First"), "/keys/lost")
	p.Type(form+" input[type=text]", "On the train")
	p.Click(form + " button")
	p.WaitFor("#said", "reported lost")
	require.Equal(t, fido.StateRevoked, s.keys(t, ada)[0].State)
	require.Contains(t, s.keys(t, ada)[0].StateReason, "On the train")
	require.Contains(t, s.events(t, ada), "credential.reported-lost")

	// The lost key comes back, and is of no use.
	stranger := b.Page(t)
	back := stranger.PlugIn(yubikey)
	back.Import(pocket[0])
	stranger.Open(s.url + "/signin")
	stranger.WaitPath("/signin")
	stranger.Click("#signin button")
	stranger.WaitFor("#wrong", "This key was revoked")
	require.Empty(t, back.Credentials())

	// The last one can be revoked too, and the session ends with it.
	form = within(p, card(t, s, ada, "Spare in the safe"), "/keys/revoke")
	p.WaitFor(form, "the only one with which you can sign in")
	p.Click(form + " button")
	p.WaitPath("/signin")
	require.Equal(t, fido.StateRevoked, s.keys(t, ada)[1].State)
}

// What needs a key once more asks for it, says so while it waits, and goes on
// when it has it.
func TestStepUp(t *testing.T) {
	held := make(chan struct{})
	b, s := browser.Start(t), newSite(t, options{wrap: func(_ *web.Site, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stepup" {
				<-held
			}
			h.ServeHTTP(w, r)
		})
	}})
	p := b.Page(t)
	p.PlugIn(yubikey)
	enrol(p, s.invite(t, ada), "First")
	signIn(p, s)
	form := within(p, card(t, s, ada, "First"), "/keys/revoke")
	p.Click(form + " button")
	p.WaitFor("#confirming", "Touch your key")
	var focused string
	p.Eval(`document.activeElement.id`, &focused)
	require.Equal(t, "confirming", focused, "so that it is read out")
	require.Equal(t, fido.StateActive, s.keys(t, ada)[0].State)
	close(held)
	p.WaitPath("/signin")
	require.Equal(t, fido.StateRevoked, s.keys(t, ada)[0].State)

	// Another person's key confirms nothing.
	other := b.Page(t)
	mine := other.PlugIn(yubikey)
	enrol(other, s.invite(t, grace), "Grace's")
	signIn(other, s)
	mine.Unplug()
	other.PlugIn(yubikey)
	other.Click("#recoveryform button")
	other.WaitFor("#wrong", "No key was used")
	require.Equal(t, 0, count(s.events(t, grace), "recovery.issued"))
}

func count(all []string, any ...string) (n int) {
	for _, s := range all {
		for _, a := range any {
			if s == a {
				n++
			}
		}
	}
	return n
}

func TestRecovery(t *testing.T) {
	b, s := browser.Start(t), newSite(t, options{})
	p := b.Page(t)
	p.PlugIn(yubikey)
	enrol(p, s.invite(t, ada), "First")
	signIn(p, s)
	p.WaitFor("#recovery", "You have no recovery codes")
	p.Click("#recoveryform button")
	p.WaitFor("#codes", "shown this once")
	codes := strings.Fields(p.Text("#codelist"))
	require.Len(t, codes, 10)
	p.Open(s.url + "/keys")
	p.WaitFor("#recovery", "You have 10 unused recovery codes")
	require.NotContains(t, p.Text("body"), codes[0])

	// All keys are gone; the page leads to the codes.
	lost := b.Page(t)
	lost.PlugIn(yubikey)
	lost.Open(s.url + "/signin")
	lost.WaitPath("/signin")
	lost.Click("details.more summary")
	lost.Click("details.more a")
	lost.WaitPath("/enroll")
	lost.Type("#invite", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG")
	lost.Click("#codeform button")
	lost.WaitFor("#wrong", "unknown, used or expired")
	lost.Type("#invite", strings.ToLower(codes[3]))
	lost.Click("#codeform button")
	lost.WaitFor("#for", ada)
	lost.Type("#name", "From the code")
	lost.Click("#registerform button")
	lost.WaitFor("#registered", "is a key of")
	require.Equal(t, 1, count(s.events(t, ada), "recovery.used"))
	begunAgain := b.Page(t)
	begunAgain.Open(s.url + "/enroll#" + codes[3])
	begunAgain.WaitFor("#wrong", "unknown, used or expired")
	signIn(lost, s)
	lost.WaitFor("#recovery", "You have 9 unused recovery codes")
}

func TestApproval(t *testing.T) {
	policy, err := keypolicy.New(nil,
		keypolicy.Rule{Name: "admins", Groups: []string{"admins"}},
		keypolicy.Rule{Name: "staff", Approval: keypolicy.ApprovalAlways})
	require.NoError(t, err)
	b, s := browser.Start(t), newSite(t, options{policy: policy})
	adas, graces := b.Page(t), b.Page(t)
	adas.PlugIn(yubikey)
	graces.PlugIn(yubikey)
	enrol(adas, s.invite(t, ada, "admins"), "Admin's key")
	signIn(adas, s)

	// The admin invites on the page, and the link works in another browser.
	adas.Open(s.url + "/admin/invite")
	adas.Type("#user", grace)
	adas.Type("#groups", "analysts, ml")
	adas.Click("#inviteform button")
	adas.WaitFor("#invited-title", grace)
	var link string
	adas.Eval(`document.querySelector('#link').value`, &link)
	enrol(graces, link, "Grace's key")
	graces.WaitFor("#pending-text", "An administrator has to approve it")
	require.Equal(t, fido.StatePending, s.keys(t, grace)[0].State)
	graces.Open(s.url + "/signin")
	graces.WaitPath("/signin")
	graces.Click("#signin button")
	graces.WaitFor("#wrong", "waits for an administrator")

	adas.Open(s.url + "/admin")
	form := within(adas, card(t, s, grace, "Grace's key"), "/admin/approve")
	adas.WaitFor("article", grace)
	adas.Type(form+" input[name=rationale]", "Handed out in person")
	adas.Click(form + " button.primary")
	adas.WaitFor("#said", "approved")
	c := s.keys(t, grace)[0]
	require.Equal(t, fido.StateActive, c.State)
	require.Equal(t, ada, c.ApprovedBy)
	require.Equal(t, "Handed out in person", c.Rationale)
	signIn(graces, s)

	// The trail says who and why, and can be searched.
	adas.Open(s.url + "/admin/trail?q=credential.approved")
	adas.WaitFor(".trail", "Handed out in person")
	adas.WaitFor(".trail", ada)
	adas.WaitFor(".lead", "it holds")

	// Blocked: the open session of the other browser is over with the next click.
	adas.Open(s.url + "/admin/people")
	adas.Click(`.list a[href*="/admin/people/"]:not([href$="` + b64(c.UserHandle) + `"])`) // the other one is ada
	adas.WaitFor("h1", ada)
	adas.Open(s.url + "/admin/people/" + b64(c.UserHandle))
	adas.WaitFor(".badges", "analysts")
	form = within(adas, "main", "/admin/block")
	adas.Type(form+" input[name=rationale]", "Left the company")
	adas.Click(form + " button")
	adas.WaitFor("#said", "is blocked")
	graces.Open(s.url + "/keys")
	graces.WaitPath("/signin")
	graces.Click("#signin button")
	graces.WaitFor("#wrong", "You may not sign in here at present")

	// Who is no admin has no such pages.
	form = within(adas, "main", "/admin/unblock")
	adas.Type(form+" input[name=rationale]", "A mistake")
	adas.Click(form + " button")
	adas.WaitFor("#said", "may sign in again")
	signIn(graces, s)
	graces.Open(s.url + "/admin")
	graces.WaitFor("h1", "For administrators")
}

func TestWhatGoesWrong(t *testing.T) {
	b := browser.Start(t)
	t.Run("nobody touches the key", func(t *testing.T) {
		s := newSite(t, options{fido: func(c *fido.Config) { c.CeremonyTimeout = 2 * time.Second }})
		p := b.Page(t)
		key := p.PlugIn(yubikey)
		begin(p, s.invite(t, ada))
		key.Touch(false)
		p.Click("#registerform button")
		p.WaitFor("#wrong", "No key was registered: the request was cancelled, or nobody used a key in time")
		p.WaitFor("#registerform button:not([disabled])", "Register my key")
		key.Touch(true)
		p.Click("#registerform button")
		p.WaitFor("#registered", "is a key of")
	})
	t.Run("the server's patience ends first", func(t *testing.T) {
		var s *site
		s = newSite(t, options{wrap: func(_ *web.Site, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/enroll/credential" {
					s.clock.move(6 * time.Minute) // that is how long the key took
				}
				h.ServeHTTP(w, r)
			})
		}})
		p := b.Page(t)
		p.PlugIn(yubikey)
		begin(p, s.invite(t, ada))
		p.Click("#registerform button")
		p.WaitFor("#wrong", "has expired")
		require.Empty(t, s.keys(t, ada))
	})
	t.Run("a key of nobody", func(t *testing.T) {
		// The keys that are made up for a name without keys may all be of a kind that
		// is not plugged in; then Chromium waits for one until the time is up.
		s := newSite(t, options{fido: func(c *fido.Config) { c.CeremonyTimeout = 2 * time.Second }})
		p := b.Page(t)
		p.PlugIn(yubikey)
		p.Open(s.url + "/signin")
		p.WaitPath("/signin")
		p.Type("#user", ada)
		p.Click("#signin button")
		p.WaitFor("#wrong", "No key was used")
	})
	t.Run("a key of another site's making", func(t *testing.T) {
		s, other := newSite(t, options{}), newSite(t, options{})
		p := b.Page(t)
		p.PlugIn(yubikey)
		enrol(p, other.invite(t, ada), "Elsewhere") // both are localhost: one RP ID
		p.Open(s.url + "/signin")
		p.WaitPath("/signin")
		p.Click("#signin button")
		p.WaitFor("#wrong", "That key does not sign in here")
	})
	t.Run("a PIN that is not right", func(t *testing.T) {
		s := newSite(t, options{fido: func(c *fido.Config) { c.CeremonyTimeout = 2 * time.Second }})
		p := b.Page(t)
		key := p.PlugIn(yubikey)
		enrol(p, s.invite(t, ada), "Key")
		key.Verify(false)
		p.Open(s.url + "/signin")
		p.WaitPath("/signin")
		p.Click("#signin button")
		p.WaitFor("#wrong", "No key was used")
	})
	t.Run("an expired link", func(t *testing.T) {
		s := newSite(t, options{})
		p := b.Page(t)
		link := s.invite(t, ada)
		s.clock.move(2 * time.Hour)
		p.Open(link)
		p.WaitFor("#wrong", "unknown, used or expired; ask an administrator for a new link")
		p.WaitFor("#codeform", "Recovery code or invitation")
	})
	t.Run("a used link", func(t *testing.T) {
		s := newSite(t, options{})
		p := b.Page(t)
		p.PlugIn(yubikey)
		link := s.invite(t, ada)
		enrol(p, link, "Key")
		p.Open("about:blank")
		p.Open(link)
		p.WaitFor("#wrong", "unknown, used or expired")
	})
	t.Run("the same key twice", func(t *testing.T) {
		s := newSite(t, options{})
		p := b.Page(t)
		p.PlugIn(yubikey)
		enrol(p, s.invite(t, ada), "Key")
		begin(p, s.invite(t, ada))
		p.Click("#registerform button")
		p.WaitFor("#wrong", "This key is registered already")
		require.Len(t, s.keys(t, ada), 1)
	})
	t.Run("a key that the policy refuses", func(t *testing.T) {
		policy, err := keypolicy.New(nil, keypolicy.Rule{Name: "hardware only", Profile: keypolicy.AttestedHardware()})
		require.NoError(t, err)
		s := newSite(t, options{policy: policy})
		p := b.Page(t)
		p.PlugIn(yubikey)
		begin(p, s.invite(t, ada))
		p.Click("#registerform button")
		p.WaitFor("#wrong", "This key is not accepted here")
		p.WaitFor("#wrong", "hardware only")
	})
	t.Run("the server is gone", func(t *testing.T) {
		var gone atomic.Bool
		s := newSite(t, options{wrap: func(_ *web.Site, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if gone.Load() {
					panic(http.ErrAbortHandler)
				}
				h.ServeHTTP(w, r)
			})
		}})
		p := b.Page(t)
		p.PlugIn(yubikey)
		begin(p, s.invite(t, ada))
		gone.Store(true)
		p.Click("#registerform button")
		p.WaitFor("#wrong", "The server cannot be reached")
	})
	t.Run("too many attempts", func(t *testing.T) {
		s := newSite(t, options{web: func(c *web.Config) { c.Limits = web.Limits{AddressBurst: 2, AddressPerMinute: 1} }})
		p := b.Page(t)
		p.PlugIn(yubikey)
		begin(p, s.invite(t, ada))
		p.Click("#registerform button")
		p.WaitFor("#wrong", "Too many attempts; wait ")
	})
	t.Run("no JavaScript", func(t *testing.T) {
		s := newSite(t, options{})
		p := b.Page(t)
		p.Scripts(false)
		for _, path := range []string{"/enroll", "/signin"} {
			p.Open(s.url + path)
			require.Contains(t, p.Text("main"), "JavaScript is off")
		}
		require.NotContains(t, p.Text("main"), "Register my key")
	})
}
