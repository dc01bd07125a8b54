package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// shelf is a Store in memory, for processes that are none.
type shelf struct {
	mu      sync.Mutex
	entries map[string]*slot
	broken  func(what string) error // nil: nothing is
}

type slot struct {
	held  chan struct{}
	data  []byte
	shelf *shelf
}

func (s *shelf) fails(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		return nil
	}
	return s.broken(what)
}

func (s *shelf) breaks(f func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = f
}

func (s *shelf) names() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, e := range s.entries {
		if e.data != nil {
			names = append(names, name)
		}
	}
	return names
}

func (s *shelf) Hold(ctx context.Context, name string) (oidc.Entry, error) {
	if err := s.fails("hold"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.entries == nil {
		s.entries = map[string]*slot{}
	}
	e, ok := s.entries[name]
	if !ok {
		e = &slot{held: make(chan struct{}, 1), shelf: s}
		s.entries[name] = e
	}
	s.mu.Unlock()
	select {
	case e.held <- struct{}{}:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *slot) Load() ([]byte, error) { return e.data, e.shelf.fails("load") }

func (e *slot) Reserve(int) error { return e.shelf.fails("reserve") }

func (e *slot) Save(data []byte) error {
	if err := e.shelf.fails("save"); err != nil {
		return err
	}
	e.data = slices.Clone(data)
	return nil
}

func (e *slot) Release() { <-e.held }

var errBroken = errors.New("no space left on device")

func sharedRequest(store oidc.Store) oidc.SignInRequest {
	return oidc.SignInRequest{ClientID: client, Store: store, LoginCommand: "keyagent"}
}

func TestResume(t *testing.T) {
	for name, o := range map[string]oidctest.Options{"bound": {}, "bound and replaced": {Rotate: true}, "bearer": {Bearer: true, Rotate: true, OneAudience: true}} {
		t.Run(name, func(t *testing.T) {
			f := webFixture(t, o)
			r := sharedRequest(&shelf{})
			_, err := oidc.Resume(t.Context(), f.provider, r)
			var login *oidc.LoginRequiredError
			require.ErrorAs(t, err, &login)
			require.Equal(t, "keyagent", login.Command)

			first, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, r)
			require.NoError(t, err)
			again, err := oidc.Discover(t.Context(), f.provider.Issuer(), oidc.Options{})
			require.NoError(t, err)
			second, err := oidc.Resume(t.Context(), again, r)
			require.NoError(t, err)
			require.Equal(t, first.ID(), second.ID())
			require.Equal(t, first.Subject(), second.Subject())
			require.True(t, first.Expires().Equal(second.Expires()))
			one, err := first.IDToken(t.Context(), client)
			require.NoError(t, err)
			two, err := second.IDToken(t.Context(), client)
			require.NoError(t, err)
			require.Equal(t, one.Value.Reveal(), two.Value.Reveal())
			require.Equal(t, one.AMR, two.AMR)
			require.Equal(t, one.ACR, two.ACR)
			require.True(t, one.AuthTime.Equal(two.AuthTime))
			require.Equal(t, 1, f.tokens(), "what is kept was asked for again")

			if !o.OneAudience { // both renew, one after the other
				for i, s := range []*oidc.Session{first, second, first, second} {
					_, err = s.IDToken(t.Context(), fmt.Sprint("audience ", i))
					require.NoError(t, err)
				}
				_, err = second.IDToken(t.Context(), "audience 0")
				require.NoError(t, err)
				require.Equal(t, 5, f.tokens())
			}

			// The end is everybody's.
			require.NoError(t, second.Close(t.Context()))
			require.Zero(t, f.idp.Sessions())
			_, err = first.IDToken(t.Context(), "fresh")
			require.ErrorAs(t, err, &login)
			require.Contains(t, login.Reason, "ended the session")
			_, err = oidc.Resume(t.Context(), again, r)
			require.ErrorAs(t, err, &login)
			require.NoError(t, first.Close(t.Context()))
		})
	}
}

// By key and by device, too, sessions are kept.
func TestResumeOtherWays(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	f.key = &oidctest.Key{}
	r := sharedRequest(&shelf{})
	r.Audience = audience
	s, err := oidc.SignIn(t.Context(), f.provider, f.key, r)
	require.NoError(t, err)
	next, err := oidc.Resume(t.Context(), f.provider, r)
	require.NoError(t, err)
	require.Equal(t, s.ID(), next.ID())
	_, err = next.IDToken(t.Context(), "another")
	require.NoError(t, err)
	require.Equal(t, 1, f.key.Touches())
}

// A session is found by the request that began it and by no other: whoever asks
// for more than was proven finds nothing.
func TestRequestsThatShareNothing(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	store := &shelf{}
	weak := sharedRequest(store)
	weak.Assurance = assurance.EAP("phr")
	_, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, weak)
	require.NoError(t, err)
	for name, change := range map[string]func(*oidc.SignInRequest){
		"stronger":      func(r *oidc.SignInRequest) { r.Assurance = assurance.EAP("phrh") },
		"either":        func(r *oidc.SignInRequest) { r.Assurance = assurance.Profile{} },
		"an older one":  func(r *oidc.SignInRequest) { r.Assurance = assurance.EAP("phr").Within(time.Hour) },
		"another kind":  func(r *oidc.SignInRequest) { r.Assurance = assurance.Okta("phr") },
		"account":       func(r *oidc.SignInRequest) { r.LoginHint = "bob@example.com" },
		"client":        func(r *oidc.SignInRequest) { r.ClientID = "other" },
		"scopes":        func(r *oidc.SignInRequest) { r.Scopes = []string{"groups"} },
		"resource":      func(r *oidc.SignInRequest) { r.Resource = "https://api.example" },
		"phishable":     func(r *oidc.SignInRequest) { r.InsecureDeviceGrant = true },
		"shifted":       func(r *oidc.SignInRequest) { r.ClientID, r.LoginHint = client[:3], client[3:] },
		"another store": func(r *oidc.SignInRequest) { r.Store = &shelf{} },
	} {
		r := weak
		change(&r)
		_, err := oidc.Resume(t.Context(), f.provider, r)
		var login *oidc.LoginRequiredError
		require.ErrorAs(t, err, &login, name)
	}
	other := webFixture(t, oidctest.Options{})
	_, err = oidc.Resume(t.Context(), other.provider, weak)
	require.Error(t, err, "another issuer")
	same := weak
	same.LoginCommand, same.RedirectURL, same.Audience = "other", "http://127.0.0.1/x", "https://a.example"
	_, err = oidc.Resume(t.Context(), f.provider, same)
	require.NoError(t, err)
	_, err = oidc.Resume(t.Context(), f.provider, oidc.SignInRequest{ClientID: client})
	require.ErrorContains(t, err, "Store")
}

// The order of scopes means nothing.
func TestScopesInAnyOrder(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	r := sharedRequest(&shelf{})
	r.Scopes = []string{"b", "a"}
	_, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, r)
	require.NoError(t, err)
	r.Scopes = []string{"a", "b", "a"}
	_, err = oidc.Resume(t.Context(), f.provider, r)
	require.NoError(t, err)
	r.Scopes = []string{"a b"}
	_, err = oidc.Resume(t.Context(), f.provider, r)
	require.ErrorContains(t, err, "Scopes")
}

// A new sign-in takes the place of the old session, which is told so and ends at
// the issuer, too.
func TestLaterSignIn(t *testing.T) {
	f := webFixture(t, oidctest.Options{Rotate: true})
	r := sharedRequest(&shelf{})
	old, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, r)
	require.NoError(t, err)
	next, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, r)
	require.NoError(t, err)
	require.Equal(t, 1, f.idp.Sessions())
	_, err = old.IDToken(t.Context(), "another")
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "later sign-in")
	require.NoError(t, old.Close(t.Context()))
	_, err = next.IDToken(t.Context(), "another")
	require.NoError(t, err, "the old one's end took the new one along")
	found, err := oidc.Resume(t.Context(), f.provider, r)
	require.NoError(t, err)
	require.Equal(t, next.ID(), found.ID())
}

// Whether a session can be kept is found out before a person is asked.
func TestStoreIsTriedBeforeTheSignIn(t *testing.T) {
	for _, what := range []string{"hold", "reserve"} {
		f := webFixture(t, oidctest.Options{})
		store := &shelf{broken: func(at string) error {
			if at == what {
				return errBroken
			}
			return nil
		}}
		_, err := oidc.SignInBrowser(t.Context(), f.provider, noBrowser{t}, sharedRequest(store))
		require.ErrorContains(t, err, "no space left")
		r := sharedRequest(store)
		r.Audience = audience
		_, err = oidc.SignIn(t.Context(), f.provider, noKey{t}, r)
		require.ErrorContains(t, err, "no space left")
		r.InsecureDeviceGrant = true
		_, err = oidc.SignInDevice(t.Context(), f.provider, func(context.Context, oidc.DeviceCode) error {
			t.Error("a code was shown")
			return nil
		}, r)
		require.ErrorContains(t, err, "no space left")
	}

	// One that breaks meanwhile: no session is left where nobody can end it.
	f := webFixture(t, oidctest.Options{})
	store := &shelf{}
	v := &visitor{t: t, before: func(string) {
		store.breaks(func(at string) error {
			if at == "save" {
				return errBroken
			}
			return nil
		})
	}}
	_, err := oidc.SignInBrowser(t.Context(), f.provider, v, sharedRequest(store))
	require.ErrorContains(t, err, "keeping the session")
	require.Zero(t, f.idp.Sessions())
}

// What cannot be written down is not asked for. If it breaks after it was tried,
// this process still goes on, and writes it down when it can.
func TestStoreBreaksInARenewal(t *testing.T) {
	f := webFixture(t, oidctest.Options{Rotate: true, Bearer: true})
	store := &shelf{}
	s, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, sharedRequest(store))
	require.NoError(t, err)
	before := f.tokens()
	for i, what := range []string{"hold", "load", "save", "reserve"} {
		store.breaks(func(at string) error {
			if at == what {
				return errBroken
			}
			return nil
		})
		_, err = s.IDToken(t.Context(), fmt.Sprint("audience ", i))
		require.ErrorContains(t, err, "no space left", what)
		var login *oidc.LoginRequiredError
		require.False(t, errors.As(err, &login), what)
	}
	require.Equal(t, before, f.tokens())

	saves := 0
	store.breaks(func(at string) error {
		if at == "save" {
			if saves++; saves > 1 {
				return errBroken
			}
		}
		return nil
	})
	_, err = s.IDToken(t.Context(), "the answer is not kept")
	require.NoError(t, err)
	store.breaks(nil)
	_, err = s.IDToken(t.Context(), "by the token that only this process has")
	require.NoError(t, err)
	other, err := oidc.Resume(t.Context(), f.provider, sharedRequest(store))
	require.NoError(t, err)
	_, err = other.IDToken(t.Context(), "and now everybody has")
	require.NoError(t, err)
	require.Equal(t, 1, f.idp.Sessions())
}

// What is kept and is no session is not believed.
func TestDamagedRecords(t *testing.T) {
	f := webFixture(t, oidctest.Options{})
	store := &shelf{}
	r := sharedRequest(store)
	s, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, r)
	require.NoError(t, err)
	e := store.entries[store.names()[0]]
	good := slices.Clone(e.data)
	for _, bad := range []string{"{}", "null", "[", `{"Version":2}`, `{"Version":1,"Issuer":"` + f.provider.Issuer() + `","ClientID":"other","ID":"x","Subject":"s","Ends":"2100-01-01T00:00:00Z"}`} {
		e.data = []byte(bad)
		_, err := oidc.Resume(t.Context(), f.provider, r)
		var login *oidc.LoginRequiredError
		require.ErrorAs(t, err, &login, bad)
		require.Contains(t, login.Reason, "cannot be read")
		_, err = s.IDToken(t.Context(), "a "+bad)
		require.Error(t, err)
	}
	e.data = good
	_, err = oidc.Resume(t.Context(), f.provider, r)
	require.NoError(t, err)
}

// The hard end is kept, too.
func TestKeptSessionEnds(t *testing.T) {
	clock := &fixedClock{time.Now()}
	f := webFixture(t, oidctest.Options{Now: clock.now})
	store := &shelf{}
	s, err := oidc.SignInBrowser(t.Context(), f.provider, &visitor{t: t}, sharedRequest(store))
	require.NoError(t, err)
	clock.at = s.Expires()
	_, err = oidc.Resume(t.Context(), f.provider, sharedRequest(store))
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "ended at")
	require.Empty(t, store.names(), "a dead session is still kept")
}

// Whatever a store returns, a record is read whole or not at all.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"Version":1,"Issuer":"https://idp.example","ClientID":"c","ID":"s","Subject":"alice","Ends":"2030-01-01T00:00:00Z","RefreshToken":"r","Tokens":{"a":{"Value":"t"}}}`))
	f.Add([]byte(`{"Version":1,"Key":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		subject, ends, err := oidc.ReadRecord(data, "https://idp.example", "c")
		if err != nil {
			require.Empty(t, subject)
			return
		}
		require.NotEmpty(t, subject)
		require.False(t, ends.IsZero())
	})
}
