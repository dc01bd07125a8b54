package oidc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

func TestOneTouchManyAudiences(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	for _, aud := range []string{audience, "https://a.example", "https://b.example", "account-id"} {
		for range 3 {
			token, err := s.IDToken(t.Context(), aud)
			require.NoError(t, err)
			require.Equal(t, aud, token.Audience)
			require.Equal(t, s.ID(), token.Session)
		}
	}
	require.Equal(t, 1, f.key.Touches())
	require.Equal(t, 4, f.tokens(), "one request per audience")
	_, err := s.IDToken(t.Context(), "")
	require.Error(t, err)
}

func TestOneRefreshForManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{Delay: 200 * time.Millisecond})
		s := f.session(t)
		time.Sleep(15 * time.Minute) // the first token is gone
		before, start := f.tokens(), time.Now()
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				token, err := s.IDToken(t.Context(), audience)
				if err != nil || time.Since(start) != 200*time.Millisecond || !token.Expires.After(time.Now()) {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, f.tokens()-before)
		require.Equal(t, 1, f.key.Touches())
	})
}

func TestWaiterIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{Delay: 700 * time.Millisecond})
		s := f.session(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := s.IDToken(ctx, "slow")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 20*time.Millisecond, time.Since(start))
		// The refresh went on without its first waiter.
		token, err := s.IDToken(t.Context(), "slow")
		require.NoError(t, err)
		require.Equal(t, "slow", token.Audience)
		require.Equal(t, 2, f.tokens())
	})
}

func TestTokensAreRenewedUntilTheHardEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{SessionLifetime: 2 * time.Hour})
		s := f.session(t)
		first, err := s.IDToken(t.Context(), audience)
		require.NoError(t, err)
		ends := s.Expires()
		for time.Now().Before(ends) {
			token, err := s.IDToken(t.Context(), audience)
			require.NoError(t, err)
			require.True(t, token.Expires.After(time.Now()), "an expired token was handed out")
			require.False(t, token.Expires.After(ends), "a token outlives the session")
			require.True(t, first.AuthTime.Equal(token.AuthTime), "auth_time moved without a touch")
			time.Sleep(10 * time.Second)
		}
		require.Less(t, f.tokens(), 25)

		// The hard end: the reason, the command, and not one request more.
		before := f.tokens()
		for range 100 {
			_, err = s.IDToken(t.Context(), audience)
			var login *oidc.LoginRequiredError
			require.ErrorAs(t, err, &login)
			require.Contains(t, login.Reason, "ended at")
			require.Equal(t, "keyagent", login.Command)
		}
		require.Equal(t, before, f.tokens())
		require.Equal(t, 1, f.key.Touches())
		require.Empty(t, oidc.Secrets(s), "the session's secrets outlive it")
	})
}

func TestRevokedSessionAsksNoMore(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	f.idp.EndSessions()
	_, err := s.IDToken(t.Context(), "another")
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "no longer accepts")
	before := f.tokens()
	for _, aud := range []string{audience, "another", "a third"} { // also the token that was cached
		_, err = s.IDToken(t.Context(), aud)
		require.ErrorAs(t, err, &login, aud)
	}
	require.Equal(t, before, f.tokens())
	require.Empty(t, oidc.Secrets(s))
	require.Equal(t, 1, f.key.Touches())
}

func TestFailingIssuerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		s := f.session(t)
		f.idp.Inject(oidctest.Echo) // 500
		before, start := f.tokens(), time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := s.IDToken(t.Context(), "another")
				var refused *oidc.ExchangeError
				if !errors.As(err, &refused) || refused.Status != 500 {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, f.tokens()-before)
		require.Zero(t, time.Since(start), "somebody waited")

		// The session is not over: the issuer recovers.
		f.idp.Heal()
		_, err := s.IDToken(t.Context(), "another")
		require.Error(t, err, "asked again too soon")
		time.Sleep(time.Second)
		_, err = s.IDToken(t.Context(), "another")
		require.NoError(t, err)
	})
}

func TestForbiddenAudience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{Audiences: []string{audience}})
		s := f.session(t)
		for range 50 {
			_, err := s.IDToken(t.Context(), "https://payroll.example")
			var refused *oidc.ExchangeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "invalid_target", refused.Code)
			time.Sleep(time.Second)
		}
		require.Equal(t, 2, f.tokens(), "asking again changes nothing for a minute")
		_, err := s.IDToken(t.Context(), audience) // other audiences are not affected
		require.NoError(t, err)
	})
}

func TestBusyIssuerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		s := f.session(t)
		f.idp.Busy(2, "3")
		start := time.Now()
		_, err := s.IDToken(t.Context(), "another")
		require.NoError(t, err)
		require.Equal(t, 6*time.Second, time.Since(start))

		// Ten seconds in all: a third wait of 4 s is not begun.
		f.idp.Busy(100, "4")
		start = time.Now()
		_, err = s.IDToken(t.Context(), "the fourth")
		require.Error(t, err)
		require.Equal(t, 8*time.Second, time.Since(start))

		// One that asks for longer than a caller should be kept is left alone
		// for as long as it asks.
		f.idp.Busy(1, "120")
		_, err = s.IDToken(t.Context(), "a third")
		var refused *oidc.ExchangeError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, 2*time.Minute, refused.RetryAfter)
		before := f.tokens()
		time.Sleep(119 * time.Second)
		_, err = s.IDToken(t.Context(), "a third")
		require.ErrorAs(t, err, &refused)
		require.Equal(t, before, f.tokens())
		time.Sleep(2 * time.Second)
		_, err = s.IDToken(t.Context(), "a third")
		require.NoError(t, err)
	})
}

func TestRefreshChangesNothing(t *testing.T) {
	for _, fault := range oidctest.RefreshFaults() {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, oidctest.Options{})
				s := f.session(t)
				time.Sleep(time.Minute)
				f.idp.Inject(fault)
				_, err := s.IDToken(t.Context(), "another")
				var refused *oidc.IDTokenError
				require.ErrorAs(t, err, &refused)
				require.Contains(t, []string{"sub", "sid", "auth_time", "acr", "exp"}, refused.Check)
			})
		})
	}
}

// A refresh token without the session's key is worth nothing.
func TestForeignDPoPKeyIsRefused(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	thief, err := oidc.Steal(s)
	require.NoError(t, err)
	_, err = thief.IDToken(t.Context(), audience)
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	_, err = s.IDToken(t.Context(), "another") // the owner goes on
	require.NoError(t, err)

	status, err := oidc.Replay(s, "another")
	require.NoError(t, err)
	require.Equal(t, 400, status, "a proof was good for two requests")
}

func TestClose(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	require.Equal(t, 1, f.idp.Sessions())
	require.NoError(t, s.Close(t.Context()))
	require.Zero(t, f.idp.Sessions(), "the issuer was not told")
	require.Empty(t, oidc.Secrets(s))
	_, err := s.IDToken(t.Context(), audience)
	var login *oidc.LoginRequiredError
	require.ErrorAs(t, err, &login)
	require.Contains(t, login.Reason, "closed")
	require.NoError(t, s.Close(t.Context()))
	require.Equal(t, 1, f.idp.Requests(oidctest.RevocationPath))
}

func TestCloseReleasesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{Delay: 10 * time.Second})
		s := f.session(t)
		go func() { time.Sleep(time.Second); _ = s.Close(t.Context()) }()
		start := time.Now()
		_, err := s.IDToken(t.Context(), "another")
		var login *oidc.LoginRequiredError
		require.ErrorAs(t, err, &login)
		require.Equal(t, time.Second, time.Since(start))
		_, err = s.IDToken(t.Context(), "new after the end")
		require.ErrorAs(t, err, &login)
	})
}

// A time limit that is the refresh's own must not look like the caller's.
func TestHungIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		s := f.session(t)
		f.idp.Inject(oidctest.HungToken)
		start := time.Now()
		_, err := s.IDToken(t.Context(), "another")
		require.ErrorContains(t, err, "no answer in time")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), 30*time.Second)
	})
}

func TestClocksApart(t *testing.T) {
	at := time.Unix(1_900_000_000, 0)
	for name, c := range map[string]struct {
		off  time.Duration
		good bool
	}{
		"issuer 50 s ahead":  {50 * time.Second, true},
		"issuer 50 s behind": {-50 * time.Second, true},
		"issuer 5 min ahead": {5 * time.Minute, false},
		"issuer 5 min late":  {-5 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := &fixedClock{at.Add(c.off)}, &fixedClock{at}
			idp, err := oidctest.New(oidctest.Options{Now: theirs.now})
			require.NoError(t, err)
			p, err := oidc.Discover(t.Context(), local, oidc.Options{Transport: inProcess{idp}, Now: ours.now})
			require.NoError(t, err)
			_, err = oidc.SignIn(t.Context(), p, &oidctest.Key{}, oidc.SignInRequest{ClientID: client, Audience: audience})
			if c.good {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
		})
	}
}
