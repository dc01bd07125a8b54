package oidc_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/assurance"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

func TestSignIn(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256"} {
		t.Run(algorithm, func(t *testing.T) {
			f := newFixture(t, oidctest.Options{Algorithm: algorithm})
			s, err := oidc.SignIn(t.Context(), f.provider, f.key, oidc.SignInRequest{ClientID: client, Audience: audience, LoginHint: "bob@example.com", Assurance: assurance.EAP("phrh")})
			require.NoError(t, err)
			require.Equal(t, "bob@example.com", s.Subject())
			require.NotEmpty(t, s.ID())
			require.WithinDuration(t, time.Now().Add(8*time.Hour), s.Expires(), time.Minute)

			token, err := s.IDToken(t.Context(), audience)
			require.NoError(t, err)
			require.Equal(t, local, token.Issuer)
			require.Equal(t, audience, token.Audience)
			require.Equal(t, "bob@example.com", token.Subject)
			require.Equal(t, s.ID(), token.Session)
			require.Equal(t, "phrh", token.ACR)
			require.Equal(t, []string{"pop", "mfa", "user"}, token.AMR)
			require.WithinDuration(t, time.Now(), token.AuthTime, time.Minute)
			require.NotEmpty(t, token.ID)
			require.Equal(t, 3, len(strings.Split(token.Value.Reveal(), ".")))

			require.Equal(t, 1, f.key.Touches())
			require.Equal(t, 1, f.tokens(), "the first token comes with the sign-in")
			require.Equal(t, 2, f.idp.Requests(oidctest.ChallengePath))
			require.Equal(t, 1, f.idp.Requests(oidctest.KeysPath))
		})
	}
}

func TestSignInRequestsThatMeanNothing(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	for name, r := range map[string]oidc.SignInRequest{
		"no client":   {Audience: audience},
		"no audience": {ClientID: client},
		"weak acr":    {ClientID: client, Audience: audience, Assurance: assurance.EAP("urn:okta:loa:1fa:any")},
		"acr list":    {ClientID: client, Audience: audience, Assurance: assurance.EAP("phr phrh")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := oidc.SignIn(t.Context(), f.provider, noKey{t}, r)
			require.Error(t, err)
			require.Zero(t, f.idp.Requests(oidctest.ChallengePath))
		})
	}
}

// Every fault of an identity provider ends without a session, and without a
// second touch.
func TestFaultsAreRefused(t *testing.T) {
	var strayed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()

	hung := []oidctest.Fault{oidctest.HungDiscovery, oidctest.HungKeys, oidctest.HungToken}
	for _, fault := range oidctest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			idp, err := oidctest.New(oidctest.Options{Elsewhere: elsewhere.URL})
			require.NoError(t, err)
			idp.Inject(fault)
			// A fetch of keys goes on when its caller has left; the server does not.
			ends, end := context.WithCancel(t.Context())
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				defer context.AfterFunc(ends, cancel)()
				idp.ServeHTTP(w, r.WithContext(ctx))
			}))
			defer srv.Close()
			defer end()
			ctx := t.Context()
			if slices.Contains(hung, fault) {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
			}
			key := &oidctest.Key{}
			p, err := oidc.Discover(ctx, srv.URL, oidc.Options{})
			if err == nil {
				_, err = oidc.SignIn(ctx, p, key, oidc.SignInRequest{ClientID: client, Audience: audience})
			}
			require.Error(t, err)
			require.True(t, strings.HasPrefix(err.Error(), "oidc: "), err.Error())
			require.Less(t, len(err.Error()), 700)
			require.NotContains(t, err.Error(), "eyJ", "a token in an error")
			require.LessOrEqual(t, key.Touches(), 1)
			if slices.Contains(hung, fault) {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
	require.Zero(t, strayed.Load(), "something was sent to another origin")
}

// The check that names a fault is the one that is meant to find it.
func TestFaultsAreNamed(t *testing.T) {
	for fault, check := range map[oidctest.Fault]string{
		oidctest.AlgNone: "alg", oidctest.HS256PublicKey: "alg", oidctest.EmbeddedKey: "signature",
		oidctest.ForeignSignature: "signature", oidctest.UnknownKey: "key",
		oidctest.AccessTokenType: "typ", oidctest.LogoutTokenType: "typ", oidctest.CriticalHeader: "crit",
		oidctest.WrongIssuer: "iss", oidctest.WrongAudience: "aud", oidctest.TwoAudiences: "aud",
		oidctest.WrongClient: "azp", oidctest.NoClient: "azp", oidctest.NoSubject: "sub", oidctest.NumericSubject: "sub",
		oidctest.Expired: "exp", oidctest.NoExpiry: "exp", oidctest.FarExpiry: "exp",
		oidctest.NoIssuedAt: "iat", oidctest.OldIssuedAt: "iat", oidctest.FutureIssuedAt: "iat", oidctest.NotYetValid: "nbf",
		oidctest.WeakACR: "acr", oidctest.NoACR: "acr", oidctest.CaseACR: "acr",
		oidctest.StaleAuthTime: "auth_time", oidctest.FutureAuthTime: "auth_time", oidctest.NoAuthTime: "auth_time",
		oidctest.WrongHash: "at_hash", oidctest.NoSession: "sid", oidctest.UnsafeSession: "sid",
		oidctest.DuplicateMember: "format", oidctest.NestedDuplicate: "format", oidctest.UpperCaseMember: "format", oidctest.MiswrittenMember: "nbf",
		oidctest.TrailingData: "format", oidctest.OtherSession: "sid", oidctest.HugeIDToken: "size",
	} {
		t.Run(string(fault), func(t *testing.T) {
			f := newFixture(t, oidctest.Options{})
			f.idp.Inject(fault)
			_, err := f.signIn(t.Context())
			if fault == oidctest.HugeIDToken { // stopped before, by the bound of the response
				require.ErrorContains(t, err, "longer than")
				return
			}
			var refused *oidc.IDTokenError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, check, refused.Check, err.Error())
		})
	}
}

// Two bounds on exp, each alone: no token lives for more than a day, and none
// longer than its session.
func TestLifetimesAreBounded(t *testing.T) {
	for name, c := range map[string]struct{ session, token time.Duration }{
		"longer than a day":         {48 * time.Hour, 25 * time.Hour},
		"longer than its session":   {8 * time.Hour, 9 * time.Hour},
		"as long as its session":    {8 * time.Hour, 8 * time.Hour},
		"a day of a longer session": {48 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fixedClock{time.Unix(1_900_000_000, 0)}
			f := newFixture(t, oidctest.Options{SessionLifetime: c.session, Now: clock.now})
			f.idp.Rewrite(func(claims map[string]any) { claims["exp"] = clock.at.Add(c.token).Unix() })
			_, err := f.signIn(t.Context())
			if strings.HasPrefix(name, "longer") {
				var refused *oidc.IDTokenError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, "exp", refused.Check)
				return
			}
			require.NoError(t, err)
		})
	}
}

// An issuer that says more, or says nothing but how long, has a session that
// ends a day after the touch.
func TestSessionsAreBounded(t *testing.T) {
	for name, lie := range map[string]func(map[string]any, time.Time){
		"a century": func(c map[string]any, now time.Time) { c["session_expiry"] = now.AddDate(100, 0, 0).Unix() },
		"25 hours":  func(c map[string]any, now time.Time) { c["session_expiry"] = now.Add(25 * time.Hour).Unix() },
		"not said":  func(c map[string]any, _ time.Time) { delete(c, "session_expiry") },
		"its clock is ahead": func(c map[string]any, now time.Time) {
			c["auth_time"], c["session_expiry"] = now.Add(30*time.Second).Unix(), now.AddDate(100, 0, 0).Unix()
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := &fixedClock{time.Unix(1_900_000_000, 0)}
			f := newFixture(t, oidctest.Options{SessionLifetime: 1000 * time.Hour, Now: clock.now})
			f.idp.Rewrite(func(claims map[string]any) {
				claims["exp"] = clock.at.Add(time.Minute).Unix()
				lie(claims, clock.at)
			})
			s := f.session(t)
			require.Equal(t, clock.at.Add(24*time.Hour).UTC(), s.Expires().UTC())
			clock.at = clock.at.Add(24 * time.Hour)
			_, err := s.IDToken(t.Context(), audience)
			var login *oidc.LoginRequiredError
			require.ErrorAs(t, err, &login)
		})
	}
}

// Programs print these, and people decide by what they see.
func TestClaimsThatDeceiveTheEyeAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"C0": "a\x1b[2Jb@x", "DEL": "a\x7fb@x", "C1": "ada\u009b2Jb@x", "NEL": "a\u0085b@x", "override": "ada\u202eb@x",
		"isolate": "a\u2066b@x", "joiner": "a\u200db@x", "soft hyphen": "a\u00adb@x", "tag": "a\U000e0041b@x",
		"line separator": "a\u2028b@x", "paragraph separator": "a\u2029b@x",
	} {
		for claim, value := range map[string]any{"sub": text, "jti": text, "amr": []string{"pop", text}} {
			t.Run(name+" in "+claim, func(t *testing.T) {
				f := newFixture(t, oidctest.Options{})
				f.idp.Rewrite(func(claims map[string]any) { claims[claim] = value })
				_, err := f.signIn(t.Context())
				var refused *oidc.IDTokenError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, claim, refused.Check)
				require.NotContains(t, err.Error(), text)
			})
		}
	}
	f := newFixture(t, oidctest.Options{})
	f.idp.Rewrite(func(claims map[string]any) { claims["sub"] = "zoë.李@例え.example" })
	require.Equal(t, "zoë.李@例え.example", f.session(t).Subject())
}

// What was asked for must come back, letter by letter; not asking for anything
// still means phishing-resistant.
func TestACRIsExact(t *testing.T) {
	for asked, answers := range map[string]map[string]bool{
		"":     {"phr": true, "phrh": true, "": false, "PHR": false, "phr ": false, "mfa": false, "0": false},
		"phr":  {"phr": true, "phrh": false, "": false, "phr phrh": false},
		"phrh": {"phrh": true, "phr": false, "": false},
	} {
		for answer, good := range answers {
			t.Run(asked+"/"+answer, func(t *testing.T) {
				f := newFixture(t, oidctest.Options{})
				f.idp.Rewrite(func(claims map[string]any) { claims["acr"] = answer })
				_, err := oidc.SignIn(t.Context(), f.provider, f.key, oidc.SignInRequest{ClientID: client, Audience: audience, Assurance: assurance.EAP(assurance.Level(asked))})
				if good {
					require.NoError(t, err)
					return
				}
				var refused *oidc.IDTokenError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, "acr", refused.Check)
			})
		}
	}
}

// The key works on the caller's goroutine, under the caller's context, for the
// issuer's origin.
func TestKeyIsWokenByTheCaller(t *testing.T) {
	type marker struct{}
	f := newFixture(t, oidctest.Options{})
	here, called := goroutine(), false
	key := getter(func(ctx context.Context, origin string, options []byte) ([]byte, error) {
		called = true
		require.Equal(t, here, goroutine())
		require.Equal(t, "caller", ctx.Value(marker{}))
		require.Equal(t, local, origin)
		return f.key.Get(ctx, origin, options)
	})
	ctx := context.WithValue(t.Context(), marker{}, "caller")
	_, err := oidc.SignIn(ctx, f.provider, key, oidc.SignInRequest{ClientID: client, Audience: audience})
	require.NoError(t, err)
	require.True(t, called)
}

func TestKeyErrorIsTheCallers(t *testing.T) {
	unplugged := errors.New("no key is plugged in")
	f := newFixture(t, oidctest.Options{})
	f.key.Touch = func(context.Context) error { return unplugged }
	_, err := f.signIn(t.Context())
	require.ErrorIs(t, err, unplugged)
	require.Zero(t, f.tokens())
}

func TestCancelWhileWaitingForTheTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		f.key.Touch = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := f.signIn(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 50*time.Millisecond, time.Since(start))
	})
}

// A key must not blink for a challenge that nobody will take any more.
func TestChallengeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		f.key.Touch = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		_, err := f.signIn(t.Context())
		require.ErrorContains(t, err, "not touched within 2m0s")
		require.NotErrorIs(t, err, context.DeadlineExceeded, "it was not the caller's context")
		require.Equal(t, 2*time.Minute, time.Since(start))
	})
}

func TestRefusedByTheIssuer(t *testing.T) {
	f := newFixture(t, oidctest.Options{Verify: func(_, _ []byte) (string, error) { return "", errors.New("this key is not registered") }})
	_, err := f.signIn(t.Context())
	var refused *oidc.ExchangeError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, oidc.ExchangeError{Endpoint: "authorization challenge", Status: 403, Code: "access_denied", Description: "this key is not registered"}, *refused)
}

// A server may want its nonce in the proof, RFC 9449 §8: it is answered once,
// and its nonce kept for later proofs.
func TestServerNonce(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	f.idp.RequireNonce("first")
	s := f.session(t)
	require.Equal(t, 2, f.tokens())
	_, err := s.IDToken(t.Context(), "another")
	require.NoError(t, err)
	require.Equal(t, 3, f.tokens(), "the nonce is known by now")
	f.idp.RequireNonce("second")
	_, err = s.IDToken(t.Context(), "a third")
	require.NoError(t, err)
	require.Equal(t, 5, f.tokens())
	require.Equal(t, 1, f.key.Touches())
}

type getter func(ctx context.Context, origin string, options []byte) ([]byte, error)

func (g getter) Get(ctx context.Context, origin string, options []byte) ([]byte, error) {
	return g(ctx, origin, options)
}

// goroutine returns the first line of the stack without the state.
func goroutine() string {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	id, _, _ := bytes.Cut(b, []byte(" ["))
	return string(id)
}
