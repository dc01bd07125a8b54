package web_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/lakekey/lakekey/fido"
	"github.com/lakekey/lakekey/fido/audit"
	"github.com/lakekey/lakekey/fido/keypolicy"
	"github.com/lakekey/lakekey/fido/web"
)

const (
	ada   = "ada@example.com"
	grace = "grace@example.com"
)

// clock is the server's. It stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// site is a relying party with its pages, on http://localhost:PORT.
type site struct {
	url   string
	rp    *fido.RelyingParty
	store *fido.MemoryStore
	web   *web.Site
	clock *clock
	log   *audit.Log
	trail trail
}

// options vary a site.
type options struct {
	policy *keypolicy.Policy
	fido   func(*fido.Config)
	web    func(*web.Config)
	wrap   func(*web.Site, http.Handler) http.Handler
}

func newSite(t *testing.T, o options) *site {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	s := &site{url: "http://localhost:" + port, clock: &clock{at: time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)}}

	signer, verifier, _, err := audit.NewSigner("localhost/audit")
	require.NoError(t, err)
	s.log = audit.NewMemory(signer, audit.Options{})
	t.Cleanup(func() { require.NoError(t, s.log.Close()) })
	key, err := note.NewVerifier(verifier)
	require.NoError(t, err)
	s.trail = trail{s.log, key}

	fc := fido.Config{ID: "localhost", Name: "Acme data platform", Origins: []string{s.url}, Audit: s.log, Policy: o.policy, Now: s.clock.Now}
	if o.fido != nil {
		o.fido(&fc)
	}
	s.store = fido.NewMemoryStore()
	s.rp, err = fido.New(fc, s.store)
	require.NoError(t, err)
	wc := web.Config{Origins: []string{s.url}, Name: "Acme data platform", Trail: s.trail, Now: s.clock.Now}
	if o.web != nil {
		o.web(&wc)
	}
	s.web, err = web.New(s.rp, wc)
	require.NoError(t, err)
	var h http.Handler = s.web
	if o.wrap != nil {
		h = o.wrap(s.web, h)
	}
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// invite returns an enrolment link.
func (s *site) invite(t *testing.T, user string, groups ...string) string {
	t.Helper()
	token, err := s.rp.InviteFor(t.Context(), fido.InviteRequest{UserName: user, TTL: time.Hour, Groups: groups, Act: fido.Act{By: "idp"}})
	require.NoError(t, err)
	return s.url + "/enroll#" + token.Reveal()
}

// keys returns a person's keys.
func (s *site) keys(t *testing.T, user string) []fido.Credential {
	t.Helper()
	u, err := s.rp.UserByName(t.Context(), user)
	require.NoError(t, err)
	ring, err := s.rp.Keyring(t.Context(), u.Handle)
	require.NoError(t, err)
	return ring.Credentials
}

// events returns the types of what was recorded about a person.
func (s *site) events(t *testing.T, user string) []string {
	t.Helper()
	page, err := s.trail.Records(t.Context(), web.TrailQuery{Text: user, Limit: 1000})
	require.NoError(t, err)
	require.NoError(t, page.Verified)
	var types []string
	for _, r := range slices.Backward(page.Records) {
		types = append(types, r.Event.Type)
	}
	return types
}

// trail reads the log of a test.
type trail struct {
	log *audit.Log
	key note.Verifier
}

func (t trail) Records(_ context.Context, q web.TrailQuery) (*web.TrailPage, error) {
	var text bytes.Buffer
	if _, err := t.log.WriteTo(&text); err != nil {
		return nil, err
	}
	page := &web.TrailPage{}
	var all []audit.Record
	_, page.Verified = audit.Verify(io.Reader(&text), t.key, audit.VerifyOptions{InsecureNoCheckpoint: true, Each: func(r *audit.Record) error {
		page.Total++
		if (q.Before == 0 || r.Number < q.Before) && strings.Contains(strings.ToLower(string(r.Line)), strings.ToLower(q.Text)) {
			all = append(all, *r)
		}
		return nil
	}})
	slices.Reverse(all)
	page.More = len(all) > q.Limit
	page.Records = all[:min(len(all), q.Limit)]
	return page, nil
}
