package oidc_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lakekey/lakekey/oidc"
	"github.com/lakekey/lakekey/oidc/oidctest"
)

// fetches returns how often the key set was asked for.
func (f *fixture) fetches() int { return f.idp.Requests(oidctest.KeysPath) }

func TestUnknownKeysAreNoStorm(t *testing.T) {
	for _, fault := range []oidctest.Fault{oidctest.UnknownKey, oidctest.ForeignSignature} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, oidctest.Options{})
				s := f.session(t)
				require.Equal(t, 1, f.fetches())
				f.idp.Inject(fault)
				for i := range 100 { // one after the other
					_, err := s.IDToken(t.Context(), fmt.Sprint("one by one ", i))
					var refused *oidc.IDTokenError
					require.ErrorAs(t, err, &refused)
					time.Sleep(100 * time.Millisecond)
				}
				var wg sync.WaitGroup
				for i := range 100 { // and at once
					wg.Go(func() { _, _ = s.IDToken(t.Context(), fmt.Sprint("at once ", i)) })
				}
				wg.Wait()
				require.LessOrEqual(t, f.fetches()-1, 1, "200 tokens under unknown keys")

				// The storm has cost the real rotation at most 30 s.
				f.idp.Heal()
				require.NoError(t, f.idp.RotateKey())
				time.Sleep(oidc.KeysSettle)
				_, err := s.IDToken(t.Context(), "after the storm")
				require.NoError(t, err)
			})
		})
	}
}

func TestRotationWorksAtOnce(t *testing.T) {
	f := newFixture(t, oidctest.Options{})
	s := f.session(t)
	require.NoError(t, f.idp.RotateKey())
	var wg sync.WaitGroup
	for i := range 20 { // also for those who come while the set is being fetched
		wg.Go(func() {
			if _, err := s.IDToken(t.Context(), fmt.Sprint("aud ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 2, f.fetches())
}

// A key that the issuer withdrew is forgotten even if no token under a new key
// makes us look.
func TestWithdrawnKeyIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		s := f.session(t)
		require.NoError(t, f.idp.WithdrawKeys()) // and goes on signing: what a thief of the key does
		_, err := s.IDToken(t.Context(), "within the time")
		require.NoError(t, err)
		time.Sleep(oidc.KeysLive)
		_, err = s.IDToken(t.Context(), "after it")
		var refused *oidc.IDTokenError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "key", refused.Check)
	})
}

func TestFailedFetchKeepsGoodKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, oidctest.Options{})
		s := f.session(t)
		f.idp.Inject(oidctest.UnknownKey, oidctest.FailingKeys)
		_, err := s.IDToken(t.Context(), "forged")
		require.Error(t, err)
		f.idp.Heal()
		f.idp.Inject(oidctest.FailingKeys)
		_, err = s.IDToken(t.Context(), "genuine")
		require.NoError(t, err, "an unknown kid and a failing endpoint must not disable the keys we have")

		time.Sleep(oidc.KeysLive) // but not for ever
		_, err = s.IDToken(t.Context(), "too late")
		require.ErrorContains(t, err, "fetching the issuer's keys")
	})
}

func TestParseKeys(t *testing.T) {
	files, err := filepath.Glob("testdata/jwks/*.json")
	require.NoError(t, err)
	require.Len(t, files, 14)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var v struct {
				Expect int             `json:"expect"` // usable keys; 0: refused
				Set    json.RawMessage `json:"set"`
			}
			require.NoError(t, json.Unmarshal(raw, &v))
			list, err := oidc.ParseKeys(v.Set)
			require.Len(t, list, v.Expect)
			require.Equal(t, v.Expect == 0, err != nil, "%v", err)
		})
	}
}
